// A NumPyClient with float16 parameters in a whole run: every client gets float16, and steps below its precision add up in float32.
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { toFloat32 } from '#protocol/half.ts'
import type { Tensor } from '#protocol/tensors.ts'
import { startFedsam } from '../cli/fedsam.ts'
import { modelAfter, pythonEnvironment } from './example.ts'

/** Below half a unit in the last place of a float16 at 1. */
const STEP = 2 ** -14
const ROUNDS = 3

const CLIENT = `
import numpy as np

class Client:
    def __init__(self, client):
        self.client = client
    def say(self, what, parameters):
        print("GOT", self.client, what, " ".join(array.dtype.str for array in parameters), flush=True)
    def get_parameters(self, config):
        return [np.ones(2, np.float16), np.array(7, np.int64), np.ones(2, np.float32), np.array(1, np.float16)]
    def fit(self, parameters, config):
        self.say("fit", parameters)
        half, count, single, scalar = parameters
        return [half.astype(np.float32) + np.float32(${STEP}), count + 1, single, scalar], 1, {}
    def evaluate(self, parameters, config):
        self.say("evaluate", parameters)
        return 0.5, 1, {}
`

const JOB = `apiVersion: fedsam.dev/v1alpha1
kind: FederatedJob
metadata: {name: narrow}
spec:
  rounds: ${ROUNDS}
  strategy: {minFitClients: 2, minAvailableClients: 2}
  round: {settleSeconds: 0}
  trainer:
    type: Command
    command: {command: [python3, -m, fedsam_client, "client:Client"]}
  partitions: [{name: a, dataset: {root: .}}, {name: b, dataset: {root: .}}]
`

let folder: string
let env: Record<string, string>

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fedsam-flower-narrow-'))
  env = await pythonEnvironment()
  await writeFile(join(folder, 'client.py'), CLIENT)
  await writeFile(join(folder, 'job.yaml'), JOB)
})
after(() => rm(folder, { recursive: true, force: true }))

const valuesOf = (model: readonly Tensor[]): (readonly [string, string, number[]])[] =>
  model
    .filter(({ dtype }) => dtype === 'F32')
    .map((tensor) => [tensor.name, tensor.dtype, [...toFloat32(tensor)]] as const)

test('each call on each client has float16; the record has float32, in which small steps add up', async () => {
  const { code, stdout, stderr } = await startFedsam(folder, ['run', 'job.yaml', '--output', 'out'], { env })
  const said = stdout + stderr
  assert.equal(code, 0, said)
  const got = said.match(/GOT .*/g) ?? []
  assert.equal(got.filter((line) => line.includes(' fit ')).length, 2 * ROUNDS, said)
  const heard = new Set(got)
  for (const client of ['a', 'b'])
    for (const call of ['fit', 'evaluate']) heard.delete(`GOT ${client} ${call} <f2 <i8 <f4 <f2`)
  assert.deepEqual([...heard], [])
  assert.deepEqual(valuesOf(await modelAfter(join(folder, 'out'), ROUNDS)), [
    ['0000', 'F32', [1 + ROUNDS * STEP, 1 + ROUNDS * STEP]],
    ['0002', 'F32', [1, 1]],
    ['0003', 'F32', [1]],
  ])
})

test('a check of the program makes the calls of such a run', async () => {
  const program = ['--', 'python3', '-m', 'fedsam_client', 'client:Client']
  const { code, stdout, stderr } = await startFedsam(folder, ['trainer', 'check', ...program], { env })
  assert.equal(code, 0, stdout + stderr)
  assert.doesNotMatch(stdout, /wrong/)
  assert.deepEqual(
    new Set(stderr.match(/GOT .*/g)),
    new Set(['fit', 'evaluate'].map((call) => `GOT check ${call} <f2 <i8 <f4 <f2`)),
  )
})
