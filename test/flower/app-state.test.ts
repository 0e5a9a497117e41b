// A client of a ClientApp dies by SIGKILL in each round, in one process and over nats-server and an S3 server: context.state is what the
// record holds, so the run ends with the model that the same app has under flwr itself, where nobody dies.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { processRecord } from '#cli/run/record-folder.ts'
import { numbersOf } from '#coordinator/aggregation/numbers.ts'
import { readSafetensors } from '#protocol/safetensors.ts'
import { ensureFlower, FLOWER_VERSIONS } from '#scripts/flower.ts'
import { PYTHON_PACKAGE } from '#scripts/python.ts'
import { startFedsam } from '../cli/fedsam.ts'
import { modelAfter } from './example.ts'

const run = promisify(execFile)
const APPS = fileURLToPath(new URL('apps', import.meta.url))
const ROUNDS = 4

/** The app, with a mod that kills its process once in each round, after the work: the state of that call must not count. */
const MORTAL = `
import os, signal
from quickstart_numpy.client_app import app as whole

def app_of(kind, function):
    def mortal(message, context):
        reply = function(message, context)
        round = message.content["config"]["server-round"]
        marker = f"{kind}-{round}-{context.node_config['partition-id']}"
        if not os.path.exists(marker):
            open(marker, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        return reply
    return mortal

app = whole
for name, function in list(app._registered_funcs.items()):
    if name == "train.default":
        app._registered_funcs[name] = app_of(name, function)
`

for (const more of [[], ['--processes']])
  test(`a client that is killed in each round ends with the model of Flower ${more.join('')}`, async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'fedsam-app-state-'))
    t.after(() => rm(folder, { recursive: true, force: true }))
    const python = await ensureFlower(FLOWER_VERSIONS[1])
    const env = {
      PATH: `${dirname(python)}${delimiter}${process.env.PATH}`,
      PYTHONPATH: [PYTHON_PACKAGE, APPS].join(delimiter),
      PYTHONDONTWRITEBYTECODE: '1',
    }
    const values = ['local-epochs=3', 'momentum=0.9', 'clip=0.8']
    const flower = join(folder, 'flower')
    await mkdir(flower)
    await run(
      'python3',
      [join(APPS, 'under_flower.py'), 'quickstart_numpy', '3', `num-server-rounds=${ROUNDS}`, ...values],
      { cwd: flower, env: { ...process.env, ...env }, maxBuffer: 2 ** 26 },
    )
    await writeFile(join(folder, 'mortal.py'), MORTAL)
    const job = {
      apiVersion: 'fedsam.dev/v1alpha1',
      kind: 'FederatedJob',
      metadata: { name: 'mortal' },
      spec: {
        rounds: ROUNDS,
        strategy: { minFitClients: 3, minAvailableClients: 3 },
        round: { settleSeconds: 0, quorum: 3, maxFailedRounds: 10 },
        output: { retention: { rounds: 20 } },
        trainer: {
          type: 'Command',
          config: { lr: '0.5' },
          command: {
            command: ['python3', '-m', 'fedsam_client', 'mortal:app'],
            args: [
              '--initial',
              'quickstart_numpy.task:load_model',
              ...values.flatMap((one) => ['--arg', one]),
            ],
          },
        },
        partitions: [{ name: 'a' }, { name: 'b' }, { name: 'c' }],
      },
    }
    await writeFile(join(folder, 'job.yaml'), JSON.stringify(job))
    const { code, stdout, stderr } = await startFedsam(
      folder,
      ['run', 'job.yaml', '--output', 'out', ...more],
      { env },
    )
    assert.equal(code, 0, stdout + stderr)
    const wanted = readSafetensors(await readFile(join(flower, 'final.safetensors')))
    const found = await modelAfter(
      more.length > 0 ? processRecord(join(folder, 'out')) : join(folder, 'out'),
      ROUNDS,
    )
    const off = found.flatMap(({ dtype, data }, i) => {
      const theirs = numbersOf(wanted[i]!.dtype, wanted[i]!.data)
      return Array.from(numbersOf(dtype, data), (value, k) => Math.abs(value - theirs[k]!))
    })
    assert.ok(Math.max(...off) <= 1e-12, `off by ${Math.max(...off)}`)
    // Every client died in every round.
    const deaths = (await readdir(folder)).filter((name) => name.startsWith('train.default-'))
    assert.equal(deaths.length, 3 * ROUNDS)
  })
