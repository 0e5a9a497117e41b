// The table of the operator's rights in docs/how-to-install.md is the one that the chart renders.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { type Rule, render } from './helm.ts'

const PAGE = new URL('../../docs/how-to-install.md', import.meta.url)

/** Rows `| where | `resource`, `resource` … | verb, verb … |` of the section on rights, as `resource verb`. */
function documented(page: string): string[] {
  const section = page.slice(page.indexOf('## What it may do'))
  const rows = section.matchAll(/^\|[^|]*\|([^|]*`[^|]*)\|([^|]*)\|$/gm)
  return [...rows].flatMap(([, resources, verbs]) =>
    [...resources!.matchAll(/`([^`]+)`/g)].flatMap(([, resource]) =>
      [...verbs!.replace(/[(:].*/, '').matchAll(/\w+/g)].map(([verb]) => `${resource} ${verb}`),
    ),
  )
}

const pairs = ({ resources, verbs }: Rule): string[] =>
  resources.flatMap((resource) => verbs.map((verb) => `${resource} ${verb}`))

test("the page's table of rights is what the operator's roles hold", async () => {
  const roles = (await render('--set', 'rbac.aggregate=false')).flatMap(({ rules }) => rules ?? [])
  assert.deepEqual(documented(await readFile(PAGE, 'utf8')).sort(), roles.flatMap(pairs).sort())
})
