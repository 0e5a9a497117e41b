// The folder of a Flower app on the command line: `fedsam flower FOLDER` prints its job, and each fault of the folder has a name.
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { loadJob } from '#cli/job/load.ts'
import { startFedsam } from '../cli/fedsam.ts'
import { pythonEnvironment } from './example.ts'

const PROJECT = `
[project]
name = "quick-start"

[tool.flwr.app.components]
serverapp = "quick.server_app:app"
clientapp = "quick.client_app:app"

[tool.flwr.app.config]
num-server-rounds = 3
lr = 2.0
fold = "007"
`
const NODES = `
[tool.flwr.federations]
default = "local"

[tool.flwr.federations.local]
options.num-supernodes = 2
`

let folder: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fedsam-app-folder-'))
})
after(() => rm(folder, { recursive: true, force: true }))

async function flower(project: string, ...args: string[]) {
  await writeFile(join(folder, 'pyproject.toml'), project)
  return startFedsam(folder, args, { env: await pythonEnvironment() })
}

test('fedsam flower prints a job that fedsam run takes, with the values of --run-config', async () => {
  const { code, stdout, stderr } = await flower(
    PROJECT + NODES,
    'flower',
    '.',
    '--run-config',
    'lr=0.5 fold="x y"',
  )
  assert.equal(code, 0, stderr)
  await writeFile(join(folder, 'job.yaml'), stdout)
  const { name, spec } = await loadJob(join(folder, 'job.yaml'))
  assert.equal(name, 'quick-start')
  assert.equal(spec.strategy.type, 'Program')
  const values = ['--arg', 'num-server-rounds=3', '--arg', 'lr=0.5', '--arg', 'fold=x y']
  assert.deepEqual(spec.strategy.program?.args, ['--path', './', ...values])
  assert.deepEqual(spec.trainer.command?.args, values)
  assert.deepEqual(
    spec.partitions.map((partition) => partition.name),
    ['client-0', 'client-1'],
  )
})

test('--clients counts, and is missing where the project has no number of nodes', async () => {
  const { stdout } = await flower(PROJECT + NODES, 'flower', '.', '--clients', '3')
  assert.match(stdout, /client-2/)
  const missing = await flower(PROJECT, 'flower', '.')
  assert.equal(missing.code, 2)
  assert.match(missing.stderr, /does not say how many clients it has\n {2}add --clients N/)
})

test('fedsam run takes the folder, and reports what it lacks', async () => {
  // The modules do not exist: the program says so.
  const ended = await flower(PROJECT, 'run', '.', '--clients', '1')
  assert.equal(ended.code, 1)
  assert.match(ended.stdout + ended.stderr, /flwr is not installed|there is no module quick/)
  const wrong = await flower(PROJECT, 'run', '.', '--run-config', 'rl=1')
  assert.equal(wrong.code, 2)
  assert.match(wrong.stderr, /--run-config sets rl, which the app does not have/)
  await writeFile(join(folder, 'job.yaml'), 'kind: FederatedJob\n')
  const file = await flower(PROJECT, 'run', 'job.yaml', '--clients', '1')
  assert.equal(file.code, 2)
  assert.match(file.stderr, /--clients and --run-config are for the folder of a Flower app/)
})
