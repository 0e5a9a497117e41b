// A machine inside of this one, for a node: namespaces of its own for processes, mounts and network, and one wire to here. Promises:
// when its first process ends, the kernel ends all others, and mounts, routes and rules go with them; what remains (a folder, cgroups) is
// removed by machine.sh, or by the next start where this was killed too. What runs inside is the matter of parts.ts.

import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, open, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { FedsamError } from '#protocol/errors.ts'
import { exists } from '#runtime/paths.ts'
import { connectNetwork, type Network } from './network.ts'

const run = promisify(execFile)
const SCRIPT = fileURLToPath(new URL('machine.sh', import.meta.url))
/** For this time a folder without a first process counts as a start in progress. */
const STARTING_MS = 60_000

export interface Machine {
  readonly name: string
  readonly folder: string
  readonly network: Network
  /** Starts a program inside; its output goes to FOLDER/NAME.log. */
  start(name: string, command: readonly string[]): Promise<ChildProcess>
  /** Runs a program inside to its end; resolves to its output. */
  run(command: readonly string[]): Promise<string>
  /** Ends everything inside and resolves when nothing is left. */
  stop(): Promise<void>
}

export interface MachineOptions {
  readonly name: string
  /** Goes on when this process is gone; otherwise it ends with it, however that ends. */
  readonly detached?: boolean
}

/** Where machines have their folders, each under its name. */
export function machinesFolder(): string {
  return join(process.env.XDG_STATE_HOME || join(homedir(), '.local', 'state'), 'fedsam')
}

/** Starts an empty machine; what dead ones left is taken away first. Throws FedsamError RunFailed with the reason. */
export async function startMachine({ name, detached = false }: MachineOptions): Promise<Machine> {
  await removeDead()
  const folder = join(machinesFolder(), name)
  if ((await mkdir(folder, { recursive: true })) === undefined)
    throw new FedsamError('RunFailed', `a node named ${name} is there already`, {
      remedy: `take it down first (its folder is ${folder})`,
    })
  const log = await open(join(folder, 'machine.log'), 'a')
  const outside = spawn('sh', [SCRIPT, folder, name, detached ? 'detached' : 'guarded'], {
    detached: true,
    stdio: ['ignore', log.fd, log.fd, detached ? 'ignore' : 'pipe'],
  })
  await once(outside, 'spawn').finally(() => log.close())
  outside.unref()
  ;(outside.stdio[3] as { unref?: () => void } | null)?.unref?.()
  try {
    const pid = await firstProcess(folder, outside)
    const network = await connectNetwork(pid)
    await writeFile(join(folder, 'network.json'), JSON.stringify(network))
    return machine(name, folder, pid, network)
  } catch (error) {
    await stopMachine(name)
    throw error
  }
}

/** A running machine, as another process finds it; undefined where none of this name runs. */
export async function findMachine(name: string): Promise<Machine | undefined> {
  const folder = join(machinesFolder(), name)
  const pid = await livePid(folder)
  if (pid === undefined) return undefined
  const network = await readFile(join(folder, 'network.json'), 'utf8').catch(() => undefined)
  return network === undefined ? undefined : machine(name, folder, pid, JSON.parse(network) as Network)
}

/** Ends a machine, running or dead, and resolves when nothing of it is left. */
export async function stopMachine(name: string): Promise<void> {
  const folder = join(machinesFolder(), name)
  const [pid, outside] = [await livePid(folder), await livePid(folder, 'outside.pid')]
  if (pid !== undefined) process.kill(pid, 'SIGKILL')
  else if (outside !== undefined) process.kill(-outside, 'SIGKILL') // not yet begun
  // machine.sh cleans up behind its first process; where it is gone too, this does.
  while (outside !== undefined && (await runs(outside, folder))) await sleep(20)
  if (await exists(folder)) await run('sh', [SCRIPT, folder, name, 'clean'])
}

function machine(name: string, folder: string, pid: number, network: Network): Machine {
  const inside = ['--target', String(pid), '--net', '--mount', '--pid', '--']
  return {
    name,
    folder,
    network,
    async start(part, command) {
      const log = await open(join(folder, `${part}.log`), 'a')
      const child = spawn('nsenter', [...inside, ...command], {
        cwd: folder,
        detached: true,
        stdio: ['ignore', log.fd, log.fd],
      })
      await once(child, 'spawn').finally(() => log.close())
      child.unref()
      return child
    },
    async run(command) {
      return (await run('nsenter', [...inside, ...command], { maxBuffer: 1 << 26 })).stdout
    },
    stop: () => stopMachine(name),
  }
}

async function firstProcess(folder: string, outside: ChildProcess): Promise<number> {
  for (let waited = 0; waited < 10_000 && outside.exitCode === null; waited += 20) {
    const pid = await livePid(folder)
    if (pid !== undefined) return pid
    await sleep(20)
  }
  const log = await readFile(join(folder, 'machine.log'), 'utf8').catch(() => '')
  throw new FedsamError('RunFailed', `no namespaces for a node could be made: ${log.trim()}`, {
    remedy: 'run as root on Linux, outside of a container without the right to make namespaces',
  })
}

/** The number of the first process, or of machine.sh around it, where it runs. */
async function livePid(folder: string, file = 'init.pid'): Promise<number | undefined> {
  const text = await readFile(join(folder, file), 'utf8').catch(() => '')
  return text !== '' && (await runs(Number(text), folder)) ? Number(text) : undefined
}

/** Whether a process of this number is ours: numbers are used again. */
async function runs(pid: number, folder: string): Promise<boolean> {
  const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
  return command.split('\0').includes(folder)
}

async function removeDead(): Promise<void> {
  for (const name of await readdir(machinesFolder()).catch(() => [])) {
    const folder = join(machinesFolder(), name)
    if ((await livePid(folder)) !== undefined) continue
    const [pid, age] = await Promise.all([exists(join(folder, 'init.pid')), ageOf(folder)])
    if (pid || age > STARTING_MS) await stopMachine(name)
  }
}

async function ageOf(path: string): Promise<number> {
  return stat(path).then(
    ({ birthtimeMs }) => Date.now() - birthtimeMs,
    () => 0,
  )
}
