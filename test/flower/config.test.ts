// What a job writes for its Python client reaches it with the documented types, through a whole run; FedSAM's own names are refused.
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { startFedsam } from '../cli/fedsam.ts'
import { pythonEnvironment } from './example.ts'

const CLIENT = `
import numpy as np

class Client:
    def __init__(self, plain, rate: float = 1, **rest):
        print("MADE=" + repr([plain, rate, sorted(rest.items())]), flush=True)
    def get_parameters(self, config):
        return [np.zeros(2, np.float32)]
    def fit(self, parameters, config):
        config = dict(config)
        assert len(config.pop("seed")) == 64
        print("FIT=" + repr(sorted(config.items())), flush=True)
        return parameters, 1, {}
    def evaluate(self, parameters, config):
        config = dict(config)
        assert len(config.pop("seed")) == 64
        print("EVALUATE=" + repr(sorted(config.items())), flush=True)
        return 0.5, 1, {}
`

let folder: string
let env: Record<string, string>

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fedsam-config-'))
  env = await pythonEnvironment()
  await writeFile(join(folder, 'client.py'), CLIENT)
})
after(() => rm(folder, { recursive: true, force: true }))

async function run(name: string, config: string, args: readonly string[]) {
  await writeFile(
    join(folder, `${name}.yaml`),
    `apiVersion: fedsam.dev/v1alpha1
kind: FederatedJob
metadata: {name: config}
spec:
  rounds: 1
  strategy: {minFitClients: 1, minAvailableClients: 1}
  round: {settleSeconds: 0}
  trainer:
    type: Command
    config: ${config}
    command: {command: [python3, -m, fedsam_client, "client:Client"], args: ${JSON.stringify(args)}}
  partitions: [{name: a, dataset: {root: .}}]
`,
  )
  const { code, stdout, stderr } = await startFedsam(folder, ['run', `${name}.yaml`, '--output', name], {
    env,
  })
  return { code, said: stdout + stderr }
}

test('values and arguments arrive by name with their types', async () => {
  const config = `{local_epochs: "2", big: "4294967296", lr: "1.0", nesterov: "true", fold: '"1"', zip: "01234", name: adam, constructor: c}`
  const args = ['--arg', 'plain=7', '--arg', 'rate=2', '--arg', 'mode="3"', '--arg', 'deep=false']
  const { code, said } = await run('good', config, args)
  assert.equal(code, 0, said)
  const wanted =
    "[('big', 4294967296), ('constructor', 'c'), ('fold', '1'), ('local_epochs', 2), ('lr', 1.0), ('name', 'adam'), ('nesterov', True), ('server_round', 1), ('zip', '01234')]"
  assert.ok(said.includes(`FIT=${wanted}`), said)
  assert.ok(said.includes(`EVALUATE=${wanted}`), said)
  assert.ok(said.includes("MADE=[7, 2.0, [('deep', False), ('mode', '3')]]"), said)
})

test('names that FedSAM sends, values that are no strings, and arguments given twice are refused by name', async () => {
  const cases: readonly (readonly [config: string, args: readonly string[], says: RegExp])[] = [
    ['{seed: "1"}', ['--arg', 'plain=1'], /spec\.trainer\.config: sets seed, .*my_seed/],
    ['{server_round: "1"}', ['--arg', 'plain=1'], /spec\.trainer\.config: sets server_round/],
    ['{epochs: 2}', ['--arg', 'plain=1'], /spec\.trainer\.config\.epochs: is 2; write a string/],
    ['{layers: [1]}', ['--arg', 'plain=1'], /spec\.trainer\.config\.layers: is a list; write a string/],
    ['{}', ['--arg', 'plain=1', '--arg', 'plain=2'], /--arg plain=1 and --arg plain=2 give plain twice/],
    ['{}', ['--arg', 'plain=[1]'], /--arg plain is a list/],
    ['{layers: "[1, 2]"}', ['--arg', 'plain=1'], /the value of layers in trainer\.config is a list/],
  ]
  for (const [i, [config, args, says]] of cases.entries()) {
    const { code, said } = await run(`refused-${i}`, config, args)
    assert.notEqual(code, 0, said)
    assert.match(said, says)
  }
})
