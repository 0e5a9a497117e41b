// Which parts a test needs follows from the files that it reaches.
import assert from 'node:assert/strict'
import { glob } from 'node:fs/promises'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { fastFiles, partsOf } from './choice.ts'
import { reachedFiles } from './imports.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

async function namesOf(pattern: string): Promise<string[]> {
  const files: string[] = []
  for await (const file of glob(pattern, { cwd: ROOT })) files.push(file)
  assert.ok(files.length > 0)
  return partsOf(ROOT, files).map(({ name }) => name)
}

const CASES: [string, string[]][] = [
  ['protocol/**/*.test.ts', []],
  ['operator/reconcile/*.test.ts', []],
  ['transport/bus/nats/bus.test.ts', ['nats-server', 'versitygw']],
  ['worker/tensorflow/backend.test.ts', ['native TensorFlow']],
  ['test/cluster/crd.test.ts', ['Kubernetes']],
  ['test/chart/chart.test.ts', ['Helm 3 and 4']],
  ['test/flower/python.test.ts', ['Python packages']],
  [
    'test/flower/apps.test.ts',
    ['native TensorFlow', 'nats-server', 'versitygw', 'Python packages', 'Flower'],
  ],
  ['test/e2e/node.test.ts', ['Helm 3 and 4', 'Kubernetes', 'CoreDNS', 'images']],
]
for (const [pattern, wanted] of CASES)
  test(`${pattern} needs ${wanted.join(', ') || 'no part'}`, async () => {
    const found = await namesOf(pattern)
    assert.deepEqual(found.slice(0, wanted.length), wanted)
    if (wanted.length === 0) assert.deepEqual(found, [])
  })

test('a program that a test starts by its path counts', async () => {
  const found = await namesOf('test/cli/run.test.ts')
  for (const name of ['native TensorFlow', 'nats-server', 'versitygw']) assert.ok(found.includes(name), name)
})

test('a test that names the builder of parts, or a type of a part, needs no part', async () => {
  assert.deepEqual(await namesOf('scripts/test/*.test.ts'), [])
  assert.deepEqual(await namesOf('scripts/cluster/example.test.ts'), [])
})

test('--fast keeps what needs servers or Helm, and leaves out what needs Kubernetes, images or Flower', () => {
  const kept = ['protocol/text.test.ts', 'test/cli/run.test.ts', 'test/chart/chart.test.ts']
  const left = [
    'test/cluster/crd.test.ts',
    'test/chart/install.test.ts',
    'test/e2e/node.test.ts',
    'test/e2e/bad-line.test.ts',
    'test/flower/apps.test.ts',
  ]
  assert.deepEqual(fastFiles(ROOT, [...left, ...kept]), kept)
})

test('cycles end, and what does not exist is left out', () => {
  const texts: Record<string, string> = {
    'scripts/cases.ts': "import './generate/names.ts'",
    'scripts/generate/names.ts': "import '../cases.ts'; start('nowhere/at/all.ts')",
  }
  const reached = reachedFiles(ROOT, ['scripts/cases.ts'], { read: (file) => texts[file]! })
  assert.deepEqual([...reached], ['scripts/cases.ts', 'scripts/generate/names.ts'])
})
