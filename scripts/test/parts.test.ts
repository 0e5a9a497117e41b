// Which parts a test needs follows from the files that it reaches.
import assert from 'node:assert/strict'
import { glob } from 'node:fs/promises'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { reachedFiles } from './imports.ts'
import { neededParts } from './parts.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

async function partsOf(pattern: string): Promise<string[]> {
  const files: string[] = []
  for await (const file of glob(pattern, { cwd: ROOT })) files.push(file)
  assert.ok(files.length > 0)
  return neededParts(reachedFiles(ROOT, files)).map(({ name }) => name)
}

const CASES: [string, string[]][] = [
  ['protocol/**/*.test.ts', []],
  ['operator/reconcile/*.test.ts', []],
  ['transport/bus/nats/bus.test.ts', ['nats-server', 'versitygw']],
  ['worker/tensorflow/backend.test.ts', ['native TensorFlow']],
  ['test/cluster/crd.test.ts', ['Kubernetes']],
  ['test/chart/chart.test.ts', ['Helm 3 and 4']],
]
for (const [pattern, wanted] of CASES)
  test(`${pattern} needs ${wanted.join(', ') || 'no part'}`, async () => {
    const found = await partsOf(pattern)
    assert.deepEqual(found.slice(0, wanted.length), wanted)
    if (wanted.length === 0) assert.deepEqual(found, [])
  })

test('a program that a test starts by its path counts', async () => {
  const found = await partsOf('test/cli/run.test.ts')
  for (const name of ['native TensorFlow', 'nats-server', 'versitygw']) assert.ok(found.includes(name), name)
})

test('cycles end, and what does not exist is left out', () => {
  const texts: Record<string, string> = {
    'scripts/test/parts.ts': "import '../helm.ts'",
    'scripts/helm.ts': "import './test/parts.ts'; start('nowhere/at/all.ts')",
  }
  const reached = reachedFiles(ROOT, ['scripts/test/parts.ts'], (file) => texts[file]!)
  assert.deepEqual([...reached], ['scripts/test/parts.ts', 'scripts/helm.ts'])
})
