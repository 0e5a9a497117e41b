// Provides the executables of the two servers that local runs, tests and benchmarks need: nats-server and versitygw (an S3
// server). `go install` builds each once, at a pinned version, into the user's cache folder. Guarantees that the file at the
// returned path is complete, for any number of concurrent callers and processes. servers.ts starts and stops the servers.

import { execFile, spawn } from 'node:child_process'
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { SERVERS } from '#protocol/environment.ts'
import { type ErrorCode, FedsamError } from '#protocol/errors.ts'
import { isExecutable } from '#runtime/paths.ts'

export type Binary = 'nats-server' | 'versitygw'

/** A program that `go install` builds from one module. */
export interface GoProgram {
  /** The executable's name. */
  readonly name: string
  readonly module: string
  readonly version: string
  /** The environment variable with which a user selects another executable. */
  readonly variable: string
  readonly code: ErrorCode
}

const SOURCES: Readonly<Record<Binary, GoProgram>> = {
  'nats-server': {
    name: 'nats-server',
    module: 'github.com/nats-io/nats-server/v2',
    version: 'v2.15.2',
    variable: SERVERS.natsServer.name,
    code: 'MessagingUnreachable',
  },
  versitygw: {
    name: 'versitygw',
    module: 'github.com/versity/versitygw/cmd/versitygw',
    version: 'v1.8.0',
    variable: SERVERS.versitygw.name,
    code: 'StorageUnreachable',
  },
}

/** Milliseconds until another caller removes a lock: far longer than a build, which takes about a minute on two cores. */
const STALE_LOCK_MS = 15 * 60 * 1000

export interface BinaryOptions {
  /** Receives progress, one line a call. */
  readonly log?: (line: string) => void
  readonly env?: Readonly<Record<string, string | undefined>>
}

/**
 * The path of an executable: the one that its variable names (a path, or a name on PATH),
 * otherwise the one in the cache, which is built first where it is missing (about a minute, needs Go and its module proxy).
 * Throws FedsamError MessagingUnreachable or StorageUnreachable if the build fails.
 */
export async function ensureBinary(name: Binary, options: BinaryOptions = {}): Promise<string> {
  return ensureGoProgram(SOURCES[name], options)
}

/** The pinned version, without a leading v. */
export function binaryVersion(name: Binary): string {
  return SOURCES[name].version.slice(1)
}

/** Whether the next call of ensureBinary builds nothing. */
export async function hasBinary(name: Binary, options: BinaryOptions = {}): Promise<boolean> {
  return hasGoProgram(SOURCES[name], options)
}

/** Whether the next call of ensureGoProgram builds nothing. */
export async function hasGoProgram(
  program: GoProgram,
  { env = process.env }: BinaryOptions = {},
): Promise<boolean> {
  return Boolean(env[program.variable]) || isExecutable(join(folderOf(program, env), program.name))
}

/** The cache folder of a program's version. */
function folderOf({ name, version }: GoProgram, env: NonNullable<BinaryOptions['env']>): string {
  const cache = env.XDG_CACHE_HOME || join(homedir(), '.cache')
  return join(cache, 'fedsam', 'bin', `${name}-${version.slice(1)}`)
}

/** As ensureBinary, for any program; throws FedsamError of the program's code. */
export async function ensureGoProgram(program: GoProgram, options: BinaryOptions = {}): Promise<string> {
  const env = options.env ?? process.env
  const { name, variable } = program
  const named = env[variable]
  if (named) return named
  const folder = folderOf(program, env)
  const executable = join(folder, name)
  if (await isExecutable(executable)) return executable
  await mkdir(folder, { recursive: true })
  const lock = join(folder, 'building')
  while (!(await takeLock(lock))) {
    await sleep(300)
    if (await isExecutable(executable)) return executable
  }
  try {
    if (!(await isExecutable(executable))) await build(program, folder, { ...options, env })
    return executable
  } finally {
    await rm(lock, { force: true })
  }
}

/**
 * Whether this process got the lock. The lock only saves a second build. If a stale lock is removed twice, two holders build,
 * and the rename at the end keeps the result complete.
 */
async function takeLock(lock: string): Promise<boolean> {
  try {
    await writeFile(lock, String(process.pid), { flag: 'wx' })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  const [owner, age] = await Promise.all([readFile(lock, 'utf8'), stat(lock)]).then(
    ([text, { mtimeMs }]) => [Number(text), Date.now() - mtimeMs] as const,
    () => [0, 0] as const, // removed in between: try again
  )
  if (age > STALE_LOCK_MS || (owner > 0 && !isAlive(owner))) await rm(lock, { force: true })
  return false
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Builds into a folder of its own and renames it, so that no caller sees an incomplete executable. */
async function build(program: GoProgram, folder: string, options: BinaryOptions): Promise<void> {
  const { name, module, version, variable, code } = program
  const log = options.log ?? (() => {})
  const env = { ...options.env }
  await promisify(execFile)('go', ['version'], { env }).catch((cause: unknown) => {
    throw new FedsamError(code, `${name} is not there, and Go, which builds it, was not found on PATH`, {
      remedy: `install Go (https://go.dev/dl), or name an executable in ${variable}`,
      cause,
    })
  })
  const out = join(folder, `out-${process.pid}-${Date.now()}`)
  log(`building ${name} ${version} (once, about a minute)`)
  const started = Date.now()
  const seconds = () => Math.round((Date.now() - started) / 1000)
  const patience = setInterval(() => log(`still building ${name} (${seconds()} s)`), 15_000)
  try {
    const args = ['install', '-trimpath', '-ldflags', '-s -w', `${module}@${version}`]
    await goInstall(args, { ...env, GOBIN: out, CGO_ENABLED: '0' }, log)
    await rename(join(out, name), join(folder, name))
  } catch (cause) {
    throw new FedsamError(code, `${name} ${version} could not be built: ${(cause as Error).message}`, {
      remedy: `see that \`go install ${module}@${version}\` works (GOPROXY and HTTPS_PROXY say how Go reaches its modules), or name an executable in ${variable}`,
      cause,
    })
  } finally {
    clearInterval(patience)
    await rm(out, { recursive: true, force: true })
  }
  log(`built ${name} ${version} in ${seconds()} s`)
}

async function goInstall(args: string[], env: NodeJS.ProcessEnv, log: (line: string) => void): Promise<void> {
  const child = spawn('go', args, { env, stdio: ['ignore', 'ignore', 'pipe'] })
  const tail: string[] = []
  createInterface({ input: child.stderr }).on('line', (line) => {
    tail.push(line)
    if (tail.length > 5) tail.shift()
    log(line)
  })
  const [status] = await new Promise<[number | null]>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (exit) => resolve([exit]))
  })
  if (status !== 0) throw new Error(`go ended with ${status}: ${tail.join('; ')}`)
}
