// ClientApps of Flower's Message API from the same unchanged files, once under flwr itself and once under FedSAM: the same model and the
// same metrics after every round, with the first and the last version of flwr; and the package's own tests that need flwr.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { numbersOf } from '#coordinator/aggregation/numbers.ts'
import { readSafetensors } from '#protocol/safetensors.ts'
import { ensureFlower, FLOWER_VERSIONS, OLDER_FLOWER } from '#scripts/flower.ts'
import { PYTHON_PACKAGE } from '#scripts/python.ts'
import { type Ended, startFedsam } from '../cli/fedsam.ts'
import { modelAfter } from './example.ts'

const run = promisify(execFile)
const APPS = fileURLToPath(new URL('apps', import.meta.url))
const ROUNDS = 4
/** Both compute in float64, and differ by the order of sums. */
const TOLERANCE = 1e-12

interface App {
  readonly name: string
  /** What makes the first parameters. */
  readonly initial: readonly string[]
  readonly config: Readonly<Record<string, string>>
  /** context.run_config. */
  readonly values: readonly string[]
}

const NUMPY: App = {
  name: 'quickstart_numpy',
  initial: ['--initial', 'quickstart_numpy.task:load_model'],
  config: { lr: '0.5' },
  values: ['local-epochs=3', 'momentum=0.9', 'clip=0.8'],
}
const CASES: readonly App[] = [
  NUMPY,
  {
    name: 'quickstart_sklearn',
    initial: ['--initial', 'quickstart_sklearn.task:get_parameters'],
    config: {},
    values: ['local-epochs=2'],
  },
  { name: 'quickstart_classic', initial: [], config: {}, values: ['local-epochs=2'] },
]

let folder: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fedsam-apps-'))
})
after(() => rm(folder, { recursive: true, force: true }))

/** An environment whose python3 has this version of flwr, and finds the apps and fedsam_client. */
async function environment(version: string): Promise<Record<string, string>> {
  const python = await ensureFlower(version)
  return {
    PATH: `${dirname(python)}${delimiter}${process.env.PATH}`,
    PYTHONPATH: [PYTHON_PACKAGE, APPS, join(PYTHON_PACKAGE, 'tests')].join(delimiter),
    PYTHONDONTWRITEBYTECODE: '1',
  }
}

interface Measured {
  readonly train: Readonly<Record<string, Record<string, number>>>
  readonly evaluate: Readonly<Record<string, Record<string, number>>>
}

/** Runs server and client of the app under flwr; its files are in the returned folder. */
async function underFlower(app: App, env: Record<string, string>, cwd: string): Promise<Measured> {
  await mkdir(cwd)
  const args = [join(APPS, 'under_flower.py'), app.name, '3', `num-server-rounds=${ROUNDS}`, ...app.values]
  await run('python3', args, { cwd, env: { ...process.env, ...env }, maxBuffer: 2 ** 26 })
  return JSON.parse(await readFile(join(cwd, 'metrics.json'), 'utf8')) as Measured
}

/** Runs the client of the app as a trainer of FedSAM. */
async function underFedsam(
  app: App,
  env: Record<string, string>,
  [target = 'client_app:app', ...options]: readonly string[] = [],
): Promise<Ended & { output: string }> {
  const cwd = await mkdtemp(join(folder, 'fedsam-'))
  const job = {
    apiVersion: 'fedsam.dev/v1alpha1',
    kind: 'FederatedJob',
    metadata: { name: 'app' },
    spec: {
      rounds: ROUNDS,
      strategy: { minFitClients: 3, minAvailableClients: 3 },
      round: { settleSeconds: 0 },
      output: { retention: { rounds: 20 } },
      trainer: {
        type: 'Command',
        config: app.config,
        command: {
          command: ['python3', '-m', 'fedsam_client', `${app.name}.${target}`, ...app.initial, ...options],
          args: app.values.flatMap((value) => ['--arg', value]),
        },
      },
      partitions: [{ name: 'a' }, { name: 'b' }, { name: 'c' }],
    },
  }
  await writeFile(join(cwd, 'job.yaml'), JSON.stringify(job))
  const ended = await startFedsam(cwd, ['run', 'job.yaml', '--output', 'out'], { env })
  return { ...ended, output: join(cwd, 'out') }
}

interface Written {
  readonly rounds: readonly {
    readonly round: number
    readonly training: Record<string, number>
    readonly evaluation: { readonly loss: number; readonly metrics: Record<string, number> } | null
  }[]
}

/** Fails where two sets of numbers have other names, or values that differ by more than rounding. */
function assertSame(found: Readonly<Record<string, number>>, wanted: Readonly<Record<string, number>>): void {
  assert.deepEqual(Object.keys(found).sort(), Object.keys(wanted).sort())
  for (const [name, value] of Object.entries(wanted)) {
    assert.ok(Math.abs(found[name]! - value) <= TOLERANCE, `${name}: ${found[name]}, under Flower ${value}`)
  }
}

/** Largest distance of the two final models. */
async function distance(output: string, flower: string): Promise<number> {
  const wanted = readSafetensors(await readFile(join(flower, 'final.safetensors')))
  const found = await modelAfter(output, ROUNDS)
  assert.deepEqual(
    found.map(({ name, dtype, shape }) => [name, dtype, shape]),
    wanted.map(({ name, dtype, shape }) => [name, dtype, shape]),
  )
  return Math.max(
    ...found.flatMap(({ dtype, data }, i) => {
      const theirs = numbersOf(wanted[i]!.dtype, wanted[i]!.data)
      return Array.from(numbersOf(dtype, data), (value, k) => Math.abs(value - theirs[k]!))
    }),
  )
}

for (const version of FLOWER_VERSIONS) {
  describe(`flwr ${version}`, () => {
    test('the tests of the package that need flwr', async () => {
      const env = { ...process.env, ...(await environment(version)) }
      const { stderr } = await run('python3', ['-m', 'unittest', '-v'], {
        cwd: join(PYTHON_PACKAGE, 'tests', 'apps'),
        env,
        maxBuffer: 2 ** 26,
      })
      assert.match(stderr, /Ran \d\d+ tests/)
      assert.match(stderr, /\nOK\n*$/)
    })

    for (const app of CASES) {
      test(`${app.name} has the model and the metrics that it has under Flower`, async () => {
        const env = await environment(version)
        const flower = join(folder, `${app.name}-${version}`)
        const theirs = await underFlower(app, env, flower)
        const { code, stdout, stderr, output } = await underFedsam(app, env)
        assert.equal(code, 0, stdout + stderr)
        const off = await distance(output, flower)
        assert.ok(off <= TOLERANCE, `off by ${off}`)
        const ours = JSON.parse(await readFile(join(output, 'output', 'metrics.json'), 'utf8')) as Written
        for (let round = 1; round <= ROUNDS; round++) {
          const { training, evaluation } = ours.rounds.find((one) => one.round === round)!
          assertSame(training, theirs.train[round]!)
          assertSame(evaluation!.metrics, theirs.evaluate[round]!)
        }
      })
    }
  })
}

test('an app that begins at other parameters ends at another model', async () => {
  const [version] = FLOWER_VERSIONS
  const env = await environment(version)
  const flower = join(folder, 'other')
  await underFlower(NUMPY, env, flower)
  const other = await underFedsam({ ...NUMPY, config: { lr: '0.51' } }, env)
  assert.equal(other.code, 0, other.stdout + other.stderr)
  assert.ok((await distance(other.output, flower)) > 1e-4)
})

test('the parameters that a query of the app returns are those of its function', async () => {
  const [version] = FLOWER_VERSIONS
  const env = await environment(version)
  const flower = join(folder, 'query')
  await underFlower(NUMPY, env, flower)
  const queried = await underFedsam({ ...NUMPY, initial: ['--initial', 'query'] }, env)
  assert.equal(queried.code, 0, queried.stdout + queried.stderr)
  assert.ok((await distance(queried.output, flower)) <= TOLERANCE)
})

test('an older version of flwr is refused, and named', async () => {
  const { code, stdout, stderr } = await underFedsam(NUMPY, await environment(OLDER_FLOWER))
  assert.notEqual(code, 0)
  assert.match(
    stdout + stderr,
    /quickstart_numpy\.client_app imports .*flwr.*which flwr 1\.13\.1 does not have.*flwr 1\.22 to 1\.42/s,
  )
})
