// Every package that this project needs has a reason on record.
import assert from 'node:assert/strict'
import { glob, readFile } from 'node:fs/promises'
import { test } from 'node:test'

test('an ADR names every dependency of package.json', async () => {
  let records = ''
  for await (const file of glob('docs/adr/*.md')) records += await readFile(file, 'utf8')
  const named = new Set([...records.matchAll(/`([^`\s]+)`/g)].map(([, name]) => name))
  const { dependencies, optionalDependencies, devDependencies } = JSON.parse(
    await readFile('package.json', 'utf8'),
  )
  const packages = Object.keys({ ...dependencies, ...optionalDependencies, ...devDependencies })
  assert.ok(packages.length > 10)
  assert.deepEqual(
    packages.filter((name) => !named.has(name)),
    [],
  )
})
