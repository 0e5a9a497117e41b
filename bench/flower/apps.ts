// One Flower app, ServerApp and ClientApp from the same unchanged folder (app/), under Flower's deployment mode, under its simulation, and under
// FedSAM. Each run is a folder of its own; the app itself notes when a round begins and when a client trains.
import { type ChildProcess, spawn } from 'node:child_process'
import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { PYTHON_PACKAGE } from '#scripts/python.ts'
import { type Bout, between, CLI, CLIENTS, freePort, type Measured, roleOf } from './contestants.ts'
import { type MemoryWatch, sumOf, watchMemory } from './memory.ts'

const APP = fileURLToPath(new URL('./app', import.meta.url))
/** Programs of flwr that one of them starts by their names. */
const PROGRAMS = /^(flwr|flower)[a-z-]*$/
/** The longest time of one run, and of a server's start. Seconds. */
const LONGEST = 600
const START = 60

/** What serves an app. */
export interface Stage {
  /** Starts the app; resolves at its end to whether it ended well. */
  submit(): Promise<boolean>
  /** SIGKILL to all that serves; clients of a deployment live on. */
  killServer(): Promise<void>
  /** Starts again what was killed. */
  restart(): Promise<void>
  readonly memory: MemoryWatch
  stop(): Promise<void>
}

export interface App extends Bout {
  readonly times: string
  readonly trained: string
}

export const appIn = (bout: Bout): App => ({
  ...bout,
  times: join(bout.folder, 'times'),
  trained: join(bout.folder, 'trained'),
})

/** Begins of rounds and the end of the last one, in seconds. */
export const timesOf = async ({ times }: App): Promise<number[]> => (await linesOf(times)).map(Number)
export const trainedOf = async ({ trained }: App): Promise<number> => (await linesOf(trained)).length

async function linesOf(path: string): Promise<string[]> {
  const text = await readFile(path, 'utf8').catch(() => '')
  return text.split('\n').filter((line) => line !== '')
}

/** One undisturbed run. */
export async function measureApp(open: (app: App) => Promise<Stage>, bout: Bout): Promise<Measured> {
  const app = appIn(bout)
  const stage = await open(app)
  try {
    if (!(await stage.submit())) throw new Error('the app did not end well')
    const { server, serverapp = [0], client, clientapp = [0] } = stage.memory.stop()
    return {
      seconds: between(await timesOf(app)),
      // A program of the app is started for each run, or for each message: one at a time.
      server: sumOf(server) + Math.max(...serverapp),
      client: sumOf(client) / CLIENTS + Math.max(...clientapp),
    }
  } finally {
    await stage.stop()
  }
}

const configOf = ({ megabytes, rounds, times, trained }: App): string =>
  `megabytes=${megabytes} rounds=${rounds} times='${times}' trained='${trained}'`

/** `fedsam run FOLDER`, all in one process but the clients and the program. */
export async function openFedsam(app: App): Promise<Stage> {
  return fedsamStage(app, [], (command) =>
    command.includes('cli/fedsam.js') || command.includes('fedsam_client.server')
      ? 'server'
      : roleOf(command),
  )
}

/** With the coordinator, the store and the bus in processes of their own. */
export async function openFedsamProcesses(app: App): Promise<Stage> {
  return fedsamStage(app, ['--processes'], (command) =>
    command.includes('fedsam_client.server') ? 'server' : roleOf(command),
  )
}

async function fedsamStage(
  app: App,
  args: readonly string[],
  role: (command: string) => string | null,
): Promise<Stage> {
  const output = join(app.folder, 'run')
  const all = [CLI, 'run', APP, '--clients', String(CLIENTS), '--run-config', configOf(app)]
  const env = {
    ...process.env,
    PATH: `${dirname(app.python)}${delimiter}${process.env.PATH}`,
    PYTHONPATH: PYTHON_PACKAGE,
  }
  let run: ChildProcess | undefined
  return {
    memory: watchMemory(process.pid, role),
    submit() {
      run = spawn(process.execPath, [...all, '--output', output, ...args], { env, stdio: 'ignore' })
      return endsWell(run)
    },
    async killServer() {
      await killFamily(run!)
    },
    restart: async () => {},
    async stop() {
      if (run?.exitCode === null) await killFamily(run)
    },
  }
}

/** flower-superlink, and a flower-supernode for each client. */
export async function openDeployment(app: App): Promise<Stage> {
  const env = await flowerEnvironment(app)
  const [port, ...ports] = await Promise.all(Array.from({ length: CLIENTS + 1 }, freePort))
  const address = `127.0.0.1:${port}`
  await writeConfig(env, `address = "${address}"\ninsecure = true\n`)
  const start = (program: string, args: readonly string[]): ChildProcess =>
    spawn(program, ['--insecure', ...args], { cwd: app.folder, env, stdio: 'ignore' })
  const link = (): ChildProcess =>
    start('flower-superlink', [
      ...['--host', '127.0.0.1', '--port', String(port)],
      ...['--database', join(app.folder, 'superlink.db')],
    ])
  const memory = watchMemory(process.pid, (command) => {
    if (/flwr-clientapp/.test(command)) return 'clientapp'
    if (/flwr-serverapp/.test(command)) return 'serverapp'
    if (/flower-supernode/.test(command)) return 'client'
    if (/flower-superlink/.test(command)) return 'server'
    if (!/flower-superexec/.test(command)) return null
    return command.includes(address) ? 'server' : 'client'
  })
  let server = link()
  await untilServed(address)
  const nodes = ports.map((own, place) =>
    start('flower-supernode', [
      ...['--superlink', address, '--port', String(own)],
      ...['--node-config', `partition-id=${place} num-partitions=${CLIENTS}`],
    ]),
  )
  return {
    memory,
    submit: () => endsWell(flwrRun(app, env)),
    killServer: () => killFamily(server),
    async restart() {
      server = link()
      await untilServed(address)
    },
    async stop() {
      for (const child of [server, ...nodes]) await killFamily(child)
    },
  }
}

/** Flower's simulation, on Ray. Its SuperLink starts by itself and stays. */
export async function openSimulation(app: App): Promise<Stage> {
  const env = await flowerEnvironment(app)
  await writeConfig(
    env,
    `address = ":local:"\noptions.num-supernodes = ${CLIENTS}\noptions.backend.client-resources.num-cpus = 1\n`,
  )
  const isOwn = (command: string): boolean => command.includes(app.folder)
  let run: ChildProcess | undefined
  const killAll = async (): Promise<void> => {
    if (run?.exitCode === null) await killFamily(run)
    for (const pid of await withEnvironment('FLWR_HOME', env.FLWR_HOME!)) killQuietly(pid)
  }
  return {
    memory: watchMemory(1, (command) => {
      if (/^ray::ClientAppActor/.test(command)) return 'client'
      return isOwn(command) || /^ray::|raylet|gcs_server/.test(command) ? 'server' : null
    }),
    submit() {
      run = flwrRun(app, env)
      return endsWell(run)
    },
    killServer: killAll,
    restart: async () => {},
    stop: killAll,
  }
}

function flwrRun(app: App, env: Readonly<Record<string, string>>): ChildProcess {
  const args = ['run', APP, 'bench', '--stream', '--run-config', configOf(app)]
  return spawn('flwr', args, { cwd: app.folder, env, stdio: 'ignore' })
}

/** A home of its own, and flwr's programs by their names. */
async function flowerEnvironment({ python, folder }: App): Promise<Record<string, string>> {
  const bin = join(folder, 'bin')
  await mkdir(bin)
  const from = dirname(python)
  for (const name of (await readdir(from)).filter((one) => PROGRAMS.test(one)))
    await writeFile(join(bin, name), `#!/bin/sh\nexec ${python} ${join(from, name)} "$@"\n`, { mode: 0o755 })
  await cp(APP, join(folder, 'app'), { recursive: true })
  return {
    ...(process.env as Record<string, string>),
    PATH: [bin, from, process.env.PATH].join(delimiter),
    FLWR_HOME: join(folder, 'home'),
    FLWR_TELEMETRY_ENABLED: '0',
  }
}

async function writeConfig({ FLWR_HOME }: Readonly<Record<string, string>>, text: string): Promise<void> {
  await mkdir(FLWR_HOME!, { recursive: true })
  await writeFile(
    join(FLWR_HOME!, 'config.toml'),
    `[superlink]\ndefault = "bench"\n\n[superlink.bench]\n${text}`,
  )
}

/** Whether it ends with code 0 in time. */
async function endsWell(child: ChildProcess): Promise<boolean> {
  const over = new AbortController()
  const code = await Promise.race([
    new Promise((resolve) => child.once('close', resolve)),
    sleep(LONGEST * 1000, undefined, { signal: over.signal }).catch(() => {}),
  ])
  over.abort()
  return code === 0
}

async function untilServed(address: string): Promise<void> {
  for (let tries = 0; tries < START * 4; tries += 1) {
    await sleep(250)
    if (
      await fetch(`http://${address}/`)
        .then(() => true)
        .catch(() => false)
    )
      return
  }
  throw new Error(`nothing serves ${address}`)
}

/** SIGKILL to a process and all that it started. */
async function killFamily(child: ChildProcess): Promise<void> {
  const family = [child.pid!]
  for (const pid of family) family.push(...(await childrenOf(pid)))
  for (const pid of family) killQuietly(pid)
  if (child.exitCode === null && child.signalCode === null)
    await new Promise((resolve) => child.once('close', resolve))
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // it has ended
  }
}

async function childrenOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '')
  return text.split(' ').filter(Boolean).map(Number)
}

/** Processes with this variable. */
async function withEnvironment(name: string, value: string): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry)).map(Number)
  const found = await Promise.all(
    pids.map(async (pid) => {
      const text = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '')
      return text.split('\0').includes(`${name}=${value}`) && pid !== process.pid ? [pid] : []
    }),
  )
  return found.flat()
}
