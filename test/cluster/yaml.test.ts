// A job file means the same to `fedsam` and to kubectl: 2,000 generated files through both readers. One kubectl reads all
// files in one process (`kubectl annotate --local`), needs no server, and goes on after a file that it refuses.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import fc from 'fast-check'
import { readDocument } from '#cli/job/document.ts'
import { FedsamError } from '#protocol/errors.ts'
import { ensureKubernetes } from '#scripts/kubernetes/build.ts'
import { yamlFile } from '../yaml-documents.ts'

/** What a reader made of one file: a value, or why it refuses the file. */
type Reading = { readonly spec: unknown } | { readonly refusal: string }

const headOf = (index: number): string =>
  `apiVersion: v1\nkind: Thing\nmetadata: {name: file-${index}}\nspec:\n`

/** What kubectl makes of each file. */
async function readWithKubectl(files: readonly string[]): Promise<Reading[]> {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-yaml-'))
  try {
    for (const [index, file] of files.entries()) await writeFile(join(folder, `${index}.yaml`), file)
    const { kubectl } = await ensureKubernetes()
    const args = ['annotate', '--local', '-f', folder, '-o', 'json', 'read=yes']
    const child = spawn(kubectl, args, {
      env: { KUBECONFIG: '/dev/null' },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const [out, errors] = await Promise.all([text(child.stdout), text(child.stderr)])
    const refusals = new Map(
      [...errors.matchAll(/\/(\d+)\.yaml"?: ([^\n]*)/g)].map(([, index, why]) => [Number(index), why!]),
    )
    // Whole objects follow one another.
    const objects = out
      .split(/\n(?=\{\n)/)
      .filter((part) => part.trim() !== '')
      .map((part) => JSON.parse(part) as { metadata: { name: string }; spec?: unknown })
    const specs = new Map(objects.map(({ metadata, spec = null }) => [metadata.name, spec]))
    return files.map((_, index) => {
      const refusal = refusals.get(index)
      if (refusal !== undefined) return { refusal }
      assert.ok(specs.has(`file-${index}`), `kubectl says nothing of file ${index}: ${errors.slice(0, 500)}`)
      return { spec: specs.get(`file-${index}`) }
    })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function readWithFedsam(file: string): Reading {
  try {
    const { value } = readDocument('job.yaml', Buffer.from(file))
    return { spec: asJson((value as { spec?: unknown }).spec ?? null) }
  } catch (error) {
    assert.ok(error instanceof FedsamError && error.code === 'InvalidJob', String((error as Error).stack))
    return { refusal: error.message }
  }
}

/** As JSON's readers give it back: a number is a double, and a field has no order. */
function asJson(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (_, field) => (typeof field === 'bigint' ? Number(field) : field)))
}

/** What FedSAM refuses although kubectl takes it: the readers of YAML, or its own texts, disagree about it. */
const REFUSED = [
  /has a colon on another line than its key; write both on one line$/,
  /has a tab where a key or an item may begin; write spaces$/,
  /has a key of several lines or more than \d+ characters; write a short key on one line$/,
  /has a \? within \[ \] or \{ \}; put the text in quotes$/,
  /has the key .* twice; remove one of them$/,
  /has the key __proto__, which is not a field; remove it$/,
  /has a key that is not text; put the key in quotes$/,
  /has no space after the colon; write one$/,
  /begins with [?:]; put it in quotes$/,
  /is not YAML: .*; correct it$/,
  /has the tag !!binary and is not text; write text$/,
  /has the tag !!timestamp; remove the tag, a time is text$/,
  /has a tag and no value; add one$/,
  /begins with a tab; indent the text with spaces$/,
  /is .*, which JSON does not have; write a number, or put it in quotes$/,
]

function judge(index: number, ours: Reading, theirs: Reading): 'same' | 'both refuse' | 'we refuse' {
  const both = `file ${index}: ours ${JSON.stringify(ours)}, kubectl's ${JSON.stringify(theirs)}`
  if ('spec' in ours) {
    assert.ok('spec' in theirs, both)
    assert.deepEqual(ours.spec, theirs.spec, both)
    return 'same'
  }
  if ('refusal' in theirs) return 'both refuse'
  for (const line of ours.refusal.split('\n')) {
    assert.match(line, /^job\.yaml:\d+: /, both)
    assert.ok(
      REFUSED.some((reason) => reason.test(line)),
      both,
    )
  }
  return 'we refuse'
}

test('2,000 generated files mean the same to fedsam and to kubectl, or are refused with a reason', async () => {
  const seed = Number(process.env.FEDSAM_FUZZ_SEED ?? 20_261_130)
  const files = fc.sample(yamlFile('HEAD'), { numRuns: 2000, seed }).map((file, index) => {
    const end = file.includes('\r\n') ? '\r\n' : '\n'
    return file.replace('HEAD', headOf(index).replaceAll('\n', end))
  })
  const theirs = await readWithKubectl(files)
  const verdicts = files.map((file, index) => judge(index, readWithFedsam(file), theirs[index]!))
  const share = (wanted: string): number => verdicts.filter((verdict) => verdict === wanted).length / 2000
  assert.ok(share('same') > 0.25, `${share('same')} of the files have a value: the generator makes too few`)
  assert.ok(share('we refuse') < 0.2, `${share('we refuse')} of the files are refused by us alone`)
})
