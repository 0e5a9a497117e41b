// A ServerApp that goes on where another kind of processor left it: OpenBLAS sums in another order there, so the app's messages differ by
// rounding. The record's messages count, and the run goes on. An app that draws other numbers is no such case, and the failure names what differs.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { numbersOf } from '#coordinator/aggregation/numbers.ts'
import { readSafetensors } from '#protocol/safetensors.ts'
import { ensureFlower, FLOWER_VERSIONS } from '#scripts/flower.ts'
import { PYTHON_PACKAGE } from '#scripts/python.ts'
import { type Ended, startFedsam } from '../cli/fedsam.ts'

/** Kinds of processor of OpenBLAS that every x86-64 one can play. Elsewhere the names mean nothing, and both lives have the same bits. */
const [FIRST, SECOND] = ['NEHALEM', 'PRESCOTT']

const CLIENT = `
import numpy as np
from flwr.app import Array, ArrayRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

app = ClientApp()

@app.train()
def train(msg, context):
    w = msg.content["arrays"]["w"].numpy()
    w = w + np.float32(0.1) * np.sin(np.arange(w.size) + context.node_config["partition-id"]).astype("f4")
    metrics = MetricRecord({"num-examples": 8, "first": float(w[0])})
    return Message(RecordDict({"arrays": ArrayRecord({"w": Array(w)}), "metrics": metrics}), reply_to=msg)

@app.evaluate()
def evaluate(msg, context):
    w = msg.content["arrays"]["w"].numpy()
    return Message(RecordDict({"metrics": MetricRecord({"num-examples": 8, "first": float(w[0])})}), reply_to=msg)
`

/** `mixed`: a product of matrices between two rounds, whose last bits depend on the processor. */
const SERVER = `
import os, random, signal
import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord
from flwr.serverapp import ServerApp
from flwr.serverapp.strategy import DifferentialPrivacyServerSideFixedClipping, FedAvg, Krum

MIXER = np.random.default_rng(1).normal(size=(300, 300)).astype("f4") / np.float32(20)

def mixed(kind):
    class Mixed(kind):
        def aggregate_train(self, server_round, replies):
            arrays, metrics = super().aggregate_train(server_round, replies)
            return ArrayRecord({"w": Array(MIXER @ arrays["w"].numpy())}), metrics
    return Mixed(min_train_nodes=5, min_evaluate_nodes=5, min_available_nodes=5, **({"num_malicious_nodes": 1} if kind is Krum else {}))

app = ServerApp()

@app.main()
def main(grid, context):
    marker, kind = context.run_config["marker"], context.run_config["kind"]
    whole, sent = grid.send_and_receive, []
    def send_and_receive(messages, **more):
        sent.append(1)
        if len(sent) == 5 and marker and not os.path.exists(marker):
            open(marker, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        return whole(messages, **more)
    grid.send_and_receive = send_and_receive
    strategy = mixed(Krum if kind == "krum" else FedAvg)
    if kind == "dp":
        strategy = DifferentialPrivacyServerSideFixedClipping(strategy, noise_multiplier=0.1, clipping_norm=1.0, num_sampled_clients=5)
    config = ConfigRecord({"lr": 0.5, "drawn": random.random() if kind != "unseeded" else random.SystemRandom().random()})
    strategy.start(grid=grid, initial_arrays=ArrayRecord({"w": Array(np.linspace(0, 1, 300, dtype="f4"))}), train_config=config, num_rounds=3)
`

/** Another life has another processor. */
const START = `if [ -e "$MARKER" ]; then core=${SECOND}; else core=${FIRST}; fi
OPENBLAS_CORETYPE=$core exec python3 -m fedsam_client.server "$@"`

let folder: string
let env: Record<string, string>
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fedsam-processors-'))
  await writeFile(join(folder, 'client.py'), CLIENT)
  await writeFile(join(folder, 'server.py'), SERVER)
  env = {
    PATH: `${dirname(await ensureFlower(FLOWER_VERSIONS[1]))}${delimiter}${process.env.PATH}`,
    PYTHONPATH: [PYTHON_PACKAGE, folder].join(delimiter),
    PYTHONDONTWRITEBYTECODE: '1',
  }
})
after(() => rm(folder, { recursive: true, force: true }))

/** Runs the app; `dies`: its program is killed in its third round, and continues on another processor. */
async function runApp(kind: string, dies: boolean): Promise<Ended & { cwd: string }> {
  const cwd = await mkdtemp(join(folder, `${kind}-`))
  const marker = dies ? join(cwd, 'died') : ''
  const values = ['--arg', `kind=${kind}`, '--arg', `marker=${marker}`]
  const job = {
    apiVersion: 'fedsam.dev/v1alpha1',
    kind: 'FederatedJob',
    metadata: { name: 'app' },
    spec: {
      strategy: {
        type: 'Program',
        program: {
          command: ['sh', '-c', START, 'sh', 'server:app', ...values],
          env: [{ name: 'MARKER', value: marker }],
        },
      },
      trainer: {
        type: 'Command',
        command: { command: ['python3', '-m', 'fedsam_client', 'client:app'] },
      },
      partitions: ['a', 'b', 'c', 'd', 'e'].map((name) => ({ name })),
    },
  }
  await writeFile(join(cwd, 'job.yaml'), JSON.stringify(job))
  return { ...(await startFedsam(cwd, ['run', 'job.yaml', '--output', 'out'], { env })), cwd }
}

async function modelOf({ cwd }: { cwd: string }): Promise<readonly number[]> {
  const [tensor] = readSafetensors(await readFile(join(cwd, 'out/output/model.safetensors')))
  return Array.from(numbersOf(tensor!.dtype, tensor!.data))
}

/** Whether the two kinds of processor have different bits here. */
async function areApart(): Promise<boolean> {
  const code = `import sys; sys.path.insert(0, ${JSON.stringify(folder)}); import server; print((server.MIXER @ server.MIXER[0]).tobytes().hex())`
  const bits = await Promise.all(
    [FIRST, SECOND].map(async (core) => {
      const own = { ...process.env, ...env, OPENBLAS_CORETYPE: core, OPENBLAS_NUM_THREADS: '1' }
      return (await promisify(execFile)('python3', ['-c', code], { env: own, maxBuffer: 2 ** 24 })).stdout
    }),
  )
  return bits[0] !== bits[1]
}

describe('killed on one processor, and started on another', () => {
  for (const kind of ['krum', 'dp'])
    test(`${kind} goes on, and ends as it would have`, async () => {
      const whole = await runApp(kind, false)
      assert.equal(whole.code, 0, whole.stdout + whole.stderr)
      assert.doesNotMatch(whole.stdout, /rounds otherwise/)
      const { code, stdout, stderr, cwd } = await runApp(kind, true)
      assert.equal(code, 0, stdout + stderr)
      assert.match(stdout + stderr, /the program starts again/)
      const wanted = await modelOf(whole)
      const largest = Math.max(...wanted.map(Math.abs))
      const off = Math.max(...(await modelOf({ cwd })).map((value, at) => Math.abs(value - wanted[at]!)))
      // What float32 may differ by in one message (python/fedsam_client/rounding.py); the model is one of the app's.
      assert.ok(off <= 1e-5 * largest, `off by ${off / largest} of the largest value`)
      const said = /exchange 3: the program now rounds otherwise than before/
      if (await areApart()) assert.match(stdout + stderr, said)
      else assert.doesNotMatch(stdout + stderr, said)
    })
})

test('an app that draws from a generator without a seed fails when it starts again, by the name of the value', async () => {
  const { code, stdout, stderr } = await runApp('unseeded', true)
  assert.notEqual(code, 0)
  assert.match(
    stdout + stderr,
    /asked something else: exchange 1, message 0 to \w: its value config\/drawn was 0\.\d+ and is 0\.\d+/,
  )
})
