// A training loop in a Python script under `fedsam run`: receive and send give the bytes that the same training gives as a NumPyClient;
// with a state from round to round; and a script that raises, ends or prints costs its client's round alone.
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { sha256 } from '#protocol/digest.ts'
import { type Ended, startFedsam } from '../cli/fedsam.ts'
import { pythonEnvironment } from './example.ts'

/** What both train: linear regression by gradient descent with noise, on data of the client's name. */
const TASK = `
import os
import numpy as np

class Task:
    def __init__(self):
        random = np.random.default_rng(sum(os.environ["FEDSAM_CLIENT"].encode()))
        self.x = random.standard_normal((40, 5)).astype("float32")
        self.y = self.x @ np.arange(5, dtype="float32") + random.standard_normal(40).astype("float32")

    def initial(self):
        return [np.ones(5, "float32"), np.zeros((), "float32")]

    def train(self, weights, lr, seed):
        """In place."""
        random = np.random.default_rng(seed)
        for _ in range(3):
            off = self.x @ weights[0] + weights[1] - self.y
            weights[0] -= lr * (self.x.T @ off / 40 + 0.01 * random.standard_normal(5).astype("float32"))
            weights[1] -= lr * off.mean()
        return float((off**2).mean())

    def loss(self, weights):
        return float(((self.x @ weights[0] + weights[1] - self.y) ** 2).mean())
`

const CLIENT = `
from task import Task

class Client:
    def __init__(self):
        self.task = Task()

    def get_parameters(self, config):
        return self.task.initial()

    def fit(self, parameters, config):
        loss = self.task.train(parameters, config["lr"], int(config["seed"][:8], 16))
        return parameters, len(self.task.y), {"train_loss": loss}

    def evaluate(self, parameters, config):
        return self.task.loss(parameters), 40, {}
`

const SCRIPT = `
import sys
import fedsam_client
from task import Task

task = Task()
weights = task.initial()
print("loading", end="", flush=True)

while (call := fedsam_client.receive(weights, lambda call: (task.loss(weights), 40, {}))) is not None:
    print('{"type": "fitted", "id": %d}' % call.round)
    loss = task.train(weights, call.config["lr"], call.seed)
    fedsam_client.send(weights, num_examples=len(task.y), metrics={"train_loss": loss})
print("the end")
`

let folder: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fedsam-loop-'))
  const files = { 'task.py': TASK, 'client.py': CLIENT, 'train.py': SCRIPT }
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)
})
after(() => rm(folder, { recursive: true, force: true }))

async function run(name: string, command: readonly string[], rounds = 3): Promise<Ended> {
  const job = {
    apiVersion: 'fedsam.dev/v1alpha1',
    kind: 'FederatedJob',
    metadata: { name: 'loop' },
    spec: {
      rounds,
      strategy: { minFitClients: 1, minAvailableClients: 2 },
      round: { settleSeconds: 0 },
      trainer: { type: 'Command', config: { lr: '0.1' }, command: { command: ['python3', ...command] } },
      partitions: [{ name: 'a' }, { name: 'b' }],
    },
  }
  await writeFile(join(folder, `${name}.json`), JSON.stringify(job))
  const args = ['run', `${name}.json`, '--output', name]
  return startFedsam(folder, args, { env: await pythonEnvironment() })
}

const output = (name: string, file: string): Promise<Buffer> => readFile(join(folder, name, 'output', file))

interface Metrics {
  readonly rounds: readonly { readonly training: unknown; readonly evaluation: unknown }[]
}

async function measured(name: string): Promise<readonly unknown[]> {
  const { rounds } = JSON.parse((await output(name, 'metrics.json')).toString()) as Metrics
  return rounds.map(({ training, evaluation }) => ({ training, evaluation }))
}

test('a script that loops has the bytes and the metrics of the same training as a NumPyClient', async () => {
  const theirs = await run('client', ['-m', 'fedsam_client', 'client:Client'])
  assert.equal(theirs.code, 0, theirs.stdout + theirs.stderr)
  const ours = await run('script', ['train.py'])
  assert.equal(ours.code, 0, ours.stdout + ours.stderr)
  const [client, script] = await Promise.all(
    ['client', 'script'].map((name) => output(name, 'model.safetensors')),
  )
  assert.equal(sha256(script!), sha256(client!))
  assert.deepEqual(await measured('script'), await measured('client'))
  // What it prints is its log, also what looks like an answer.
  assert.match(ours.stderr, /\[a\] loading/)
  assert.match(ours.stderr, /\[a\] \{"type": "fitted", "id": 1\}/)
})

test('a script keeps a state from round to round, in the record', async () => {
  const text = SCRIPT.replace(
    'metrics={',
    'state=(call.state or b"") + b"x", metrics={"states": len(call.state or b""), ',
  )
  await writeFile(join(folder, 'counting.py'), text)
  const ended = await run('counting', ['counting.py'])
  assert.equal(ended.code, 0, ended.stdout + ended.stderr)
  const found = (await measured('counting')) as readonly { training: { states?: number } }[]
  assert.deepEqual(
    found.map(({ training }) => training.states).filter((states) => states !== undefined),
    [0, 1, 2],
  )
})

test('a script that raises fails its round by name, and is started again for the next', async () => {
  const text = SCRIPT.replace(
    '    loss = ',
    '    if call.round == 2 and os.environ["FEDSAM_CLIENT"] == "b":\n        1 / 0\n    loss = ',
  )
  await writeFile(join(folder, 'raising.py'), text.replace('import sys', 'import os'))
  const ended = await run('raising', ['raising.py'])
  assert.equal(ended.code, 0, ended.stdout + ended.stderr)
  assert.match(
    ended.stdout + ended.stderr,
    /the script raised ZeroDivisionError: division by zero \(raising\.py:\d+ in <module>: 1 \/ 0\)/,
  )
  assert.match(ended.stdout, /round 2\/3 {2}1 update/)
  assert.match(ended.stdout, /round 3\/3 {2}2 updates/)
})

test('a script that never calls receive is reported as a trainer that did not start', async () => {
  await writeFile(join(folder, 'nothing.py'), 'print("trained without FedSAM")\n')
  const ended = await run('nothing', ['nothing.py'], 1)
  assert.notEqual(ended.code, 0)
  assert.match(ended.stdout + ended.stderr, /trainer .* (ended|exited)/)
})
