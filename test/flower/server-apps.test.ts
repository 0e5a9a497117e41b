// A Flower app, ServerApp and ClientApp from the same unchanged files, once under flwr itself and once as a Program run of FedSAM: the same
// model and the same metrics of every round, with the first and the last version of flwr. A server program that is killed in the middle
// ends with the same bytes.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { numbersOf } from '#coordinator/aggregation/numbers.ts'
import { sha256 } from '#protocol/digest.ts'
import { readSafetensors } from '#protocol/safetensors.ts'
import { ensureFlower, FLOWER_VERSIONS, OLDER_FLOWER } from '#scripts/flower.ts'
import { PYTHON_PACKAGE } from '#scripts/python.ts'
import { type Ended, startFedsam } from '../cli/fedsam.ts'

const run = promisify(execFile)
const APPS = fileURLToPath(new URL('apps', import.meta.url))
const ROUNDS = 4
/** Both compute in float64, and differ by the order of sums. */
const TOLERANCE = 1e-12

interface App {
  readonly name: string
  /** context.run_config of the clients. */
  readonly values: readonly string[]
}

const NUMPY: App = { name: 'quickstart_numpy', values: ['local-epochs=3', 'momentum=0.9', 'clip=0.8'] }
const CLASSIC: App = { name: 'quickstart_classic', values: ['local-epochs=2'] }

/** The ServerApp in a program that dies once, with two exchanges decided and the third one sent. */
const MORTAL = `
import os, signal
from quickstart_numpy.server_app import app

inner, sent = app._main, []

def main(grid, context):
    whole = grid.send_and_receive
    def send_and_receive(messages, **more):
        sent.append(1)
        if len(sent) == 3 and not os.path.exists(MARKER):
            open(MARKER, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        return whole(messages, **more)
    grid.send_and_receive = send_and_receive
    inner(grid, context)

app._main = main
`

let folder: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fedsam-server-apps-'))
})
after(() => rm(folder, { recursive: true, force: true }))

async function environment(version: string): Promise<Record<string, string>> {
  const python = await ensureFlower(version)
  return {
    PATH: `${dirname(python)}${delimiter}${process.env.PATH}`,
    PYTHONPATH: [PYTHON_PACKAGE, APPS].join(delimiter),
    PYTHONDONTWRITEBYTECODE: '1',
  }
}

/** Runs the app as a Program run into a folder of its own. */
async function underFedsam(
  app: App,
  env: Record<string, string>,
  server: readonly string[] = [`${app.name}.server_app:app`],
): Promise<Ended & { cwd: string }> {
  const cwd = await mkdtemp(join(folder, 'fedsam-'))
  const job = {
    apiVersion: 'fedsam.dev/v1alpha1',
    kind: 'FederatedJob',
    metadata: { name: 'app' },
    spec: {
      strategy: {
        type: 'Program',
        program: {
          command: ['python3', '-m', 'fedsam_client.server', ...server],
          args: ['--arg', `num-server-rounds=${ROUNDS}`],
        },
      },
      trainer: {
        type: 'Command',
        command: {
          command: ['python3', '-m', 'fedsam_client', `${app.name}.client_app:app`],
          args: app.values.flatMap((value) => ['--arg', value]),
        },
      },
      partitions: [{ name: 'a' }, { name: 'b' }, { name: 'c' }],
    },
  }
  await writeFile(join(cwd, 'job.yaml'), JSON.stringify(job))
  return { ...(await startFedsam(cwd, ['run', 'job.yaml', '--output', 'out'], { env })), cwd }
}

/** Runs the same app under flwr; resolves to the folder with its files. */
async function underFlower(app: App, env: Record<string, string>): Promise<string> {
  const cwd = await mkdtemp(join(folder, 'flower-'))
  const args = [join(APPS, 'under_flower.py'), app.name, '3', `num-server-rounds=${ROUNDS}`, ...app.values]
  await run('python3', args, { cwd, env: { ...process.env, ...env }, maxBuffer: 2 ** 26 })
  return cwd
}

/** Metrics of each round by kind, as the app writes them itself. */
type Measured = Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, number>>>>>>

function assertClose(found: Measured, wanted: Measured): void {
  const flat = (all: Measured) =>
    Object.entries(all).flatMap(([kind, rounds]) =>
      Object.entries(rounds).flatMap(([round, metrics]) =>
        Object.entries(metrics).map(([name, value]) => [`${kind} ${round} ${name}`, value] as const),
      ),
    )
  const theirs = new Map(flat(wanted))
  const ours = flat(found)
  assert.deepEqual(ours.map(([name]) => name).sort(), [...theirs.keys()].sort())
  assert.ok(ours.length > ROUNDS)
  for (const [name, value] of ours)
    assert.ok(
      Math.abs(value - theirs.get(name)!) <= TOLERANCE,
      `${name}: ${value}, under Flower ${theirs.get(name)}`,
    )
}

async function assertSameModel(found: string, wanted: string): Promise<void> {
  const [ours, theirs] = await Promise.all(
    [found, wanted].map(async (path) => readSafetensors(await readFile(path))),
  )
  assert.deepEqual(
    ours!.map(({ name, dtype, shape }) => [name, dtype, shape]),
    theirs!.map(({ name, dtype, shape }) => [name, dtype, shape]),
  )
  for (const [i, { name, dtype, data }] of ours!.entries()) {
    const numbers = numbersOf(theirs![i]!.dtype, theirs![i]!.data)
    const off = Math.max(...Array.from(numbersOf(dtype, data), (value, k) => Math.abs(value - numbers[k]!)))
    assert.ok(off <= TOLERANCE, `${name} is off by ${off}`)
  }
}

const readJson = async (path: string) => JSON.parse(await readFile(path, 'utf8')) as Measured

for (const version of FLOWER_VERSIONS)
  describe(`flwr ${version}`, () => {
    for (const app of [NUMPY, CLASSIC])
      test(`${app.name} has the model and the metrics that it has under Flower`, async () => {
        const env = await environment(version)
        const flower = await underFlower(app, env)
        const { code, stdout, stderr, cwd } = await underFedsam(app, env)
        assert.equal(code, 0, stdout + stderr)
        const output = join(cwd, 'out', 'output')
        await assertSameModel(join(output, 'model.safetensors'), join(flower, 'final.safetensors'))
        assertClose(
          await readJson(join(output, 'app', 'metrics.json')),
          await readJson(join(flower, 'metrics.json')),
        )
      })
  })

test('a server program that is killed in the middle ends with the same bytes', async () => {
  const env = await environment(FLOWER_VERSIONS[1])
  const whole = await underFedsam(NUMPY, env)
  assert.equal(whole.code, 0, whole.stdout + whole.stderr)
  const place = join(folder, 'mortal')
  await mkdir(place)
  const marker = join(place, 'died')
  await writeFile(join(place, 'mortal.py'), `MARKER = ${JSON.stringify(marker)}\n${MORTAL}`)
  const killed = await underFedsam(NUMPY, env, ['mortal:app', '--path', place])
  assert.equal(killed.code, 0, killed.stdout + killed.stderr)
  assert.equal(await readFile(marker, 'utf8'), '')
  for (const file of ['model.safetensors', 'final.npz', 'app/metrics.json']) {
    const [ours, theirs] = await Promise.all(
      [killed, whole].map(async ({ cwd }) => sha256(await readFile(join(cwd, 'out', 'output', file)))),
    )
    assert.equal(ours, theirs, file)
  }
})

test('the folder of an app runs as it is', async () => {
  const env = await environment(FLOWER_VERSIONS[1])
  const cwd = await mkdtemp(join(folder, 'project-'))
  const config = [...NUMPY.values, 'num-server-rounds=1'].join('\n')
  await writeFile(
    join(cwd, 'pyproject.toml'),
    `[project]\nname = "quick"\n[tool.flwr.app.components]\nserverapp = "${NUMPY.name}.server_app:app"\nclientapp = "${NUMPY.name}.client_app:app"\n[tool.flwr.app.config]\n${config}\n`,
  )
  const args = [
    'run',
    '.',
    '--clients',
    '3',
    '--run-config',
    `num-server-rounds=${ROUNDS}`,
    '--output',
    'out',
  ]
  const { code, stdout, stderr } = await startFedsam(cwd, args, { env })
  assert.equal(code, 0, stdout + stderr)
  const flower = await underFlower(NUMPY, env)
  await assertSameModel(join(cwd, 'out/output/model.safetensors'), join(flower, 'final.safetensors'))
})

test('a ServerApp that raises ends the run with its message', async () => {
  const env = await environment(FLOWER_VERSIONS[1])
  await writeFile(
    join(folder, 'raising.py'),
    'from flwr.serverapp import ServerApp\napp = ServerApp()\n@app.main()\ndef main(grid, context):\n    raise ValueError("no such model")\n',
  )
  const { code, stdout, stderr } = await underFedsam(NUMPY, env, ['raising:app', '--path', folder])
  assert.notEqual(code, 0)
  assert.match(stdout + stderr, /the ServerApp raising:app raised ValueError: no such model/)
})

test('an older version of flwr is refused, and named', async () => {
  const { code, stdout, stderr } = await underFedsam(NUMPY, await environment(OLDER_FLOWER))
  assert.notEqual(code, 0)
  assert.match(
    stdout + stderr,
    /needs the Message API of flwr 1\.22 to 1\.42, and flwr 1\.13\.1 is installed/,
  )
})
