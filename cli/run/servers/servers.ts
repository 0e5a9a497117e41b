// Starts and stops the servers of runs in several processes, of tests and of benchmarks: NATS and S3 on 127.0.0.1. Guarantees that
// a server is ready when the promise resolves, and ends with the process that started it, even if that process is killed.
// binaries.ts provides the executables.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, open, readFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type ErrorCode, FedsamError } from '#protocol/errors.ts'
import { writePrivate } from '#runtime/private-file.ts'
import { type BinaryOptions, ensureBinary } from './binaries.ts'

export interface Server {
  readonly pid: number
  /** Sends SIGTERM, kills the server after five seconds, and resolves when it has ended. */
  stop(): Promise<void>
}

export interface NatsServer extends Server {
  readonly url: string
  readonly port: number
}

export interface S3Server extends Server {
  readonly endpoint: string
  readonly accessKey: string
  readonly secretKey: string
  readonly bucket: string
  readonly port: number
}

/** Milliseconds until a server must listen. On a machine with ten busy processes a start took 15 s. */
const MOST_START_MS = 120_000

interface StartOptions extends BinaryOptions {
  /** The folder of its files and its log; created if missing. */
  readonly folder: string
  /** The port of an earlier start; a free port if absent. */
  readonly port?: number
}

/** Starts nats-server. `config` is text of a nats-server configuration file (users, permissions, TLS). */
export async function startNats(options: StartOptions & { readonly config?: string }): Promise<NatsServer> {
  const executable = await ensureBinary('nats-server', options)
  await mkdir(options.folder, { recursive: true })
  const extra: string[] = []
  if (options.config !== undefined) {
    const file = join(options.folder, 'nats.conf')
    await writePrivate(file, options.config) // it may hold passwords
    extra.push('--config', file)
  }
  const { server, port } = await startOnPort(options, {
    code: 'MessagingUnreachable',
    log: join(options.folder, 'nats-server.log'),
    command: (port) => [executable, '--addr', '127.0.0.1', '--port', String(port), ...extra],
  })
  return { ...server, port, url: `nats://127.0.0.1:${port}` }
}

/** Starts versitygw over a folder, with one bucket (at least three letters) and keys that only this machine knows. */
export async function startS3(options: StartOptions & { readonly bucket: string }): Promise<S3Server> {
  const executable = await ensureBinary('versitygw', options)
  // A bucket is a folder of the gateway's root. The gateway writes temporary files inside the bucket.
  await mkdir(join(options.folder, 'buckets', options.bucket), { recursive: true })
  const accessKey = 'fedsam'
  const secretKey = await secretOf(options.folder)
  const { server, port } = await startOnPort(options, {
    code: 'StorageUnreachable',
    log: join(options.folder, 'versitygw.log'),
    // Without --keep-alive every request would open its own connection. Without --data-integrity-etag the gateway would compute the
    // MD5 of each body, half of its processor time: no reader of ours takes an ETag for one.
    command: (port) => [
      ...[executable, '--port', `127.0.0.1:${port}`, '--keep-alive', '--quiet'],
      ...['posix', '--data-integrity-etag', join(options.folder, 'buckets')],
    ],
    env: { ROOT_ACCESS_KEY: accessKey, ROOT_SECRET_KEY: secretKey },
  })
  const endpoint = `http://127.0.0.1:${port}`
  return { ...server, port, endpoint, accessKey, secretKey, bucket: options.bucket }
}

/** A folder keeps its secret, so that a client with a grant can continue after a restart. */
async function secretOf(folder: string): Promise<string> {
  const file = join(folder, 'secret')
  const known = await readFile(file, 'utf8').catch(() => '')
  if (known) return known
  const secret = crypto.randomUUID()
  await writePrivate(file, secret)
  return secret
}

interface Recipe {
  readonly code: ErrorCode
  readonly log: string
  readonly command: (port: number) => readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

/** Another program may bind the free port before the server does; then this tries another port. */
async function startOnPort(options: StartOptions, recipe: Recipe): Promise<{ server: Server; port: number }> {
  const attempts = options.port === undefined ? 4 : 1
  for (let attempt = 1; ; attempt++) {
    const port = options.port ?? (await freePort())
    const server = await startGuarded(recipe, port)
    if (await isReady(server.child, port)) return { server: { pid: server.pid, stop: server.stop }, port }
    await server.stop()
    if (attempt < attempts) continue
    const tail = (await readFile(recipe.log, 'utf8').catch(() => '')).trim().split('\n').slice(-3).join('; ')
    throw new FedsamError(recipe.code, `${recipe.command(port)[0]} did not start on port ${port}: ${tail}`, {
      remedy: `read ${recipe.log}`,
    })
  }
}

/**
 * Runs a command in its own session, so that Ctrl-C in the terminal reaches only this process. A guard, which is a shell, reads
 * from a pipe that only this process holds. When this process ends in any way, the pipe closes and the guard kills the server.
 * The pid is the server's, because the shell replaces itself by the server.
 */
async function startGuarded(recipe: Recipe, port: number): Promise<Server & { child: ChildProcess }> {
  const log = await open(recipe.log, 'a')
  const guard = 'server=$$; (cat <&3 >/dev/null; kill -9 "$server") 2>/dev/null & exec "$0" "$@" 3<&-'
  const child = spawn('sh', ['-c', guard, ...recipe.command(port)], {
    detached: true,
    stdio: ['ignore', log.fd, log.fd, 'pipe'],
    env: { ...process.env, ...recipe.env },
  })
  await once(child, 'spawn').finally(() => log.close())
  const pipe = child.stdio[3]
  child.once('exit', () => pipe?.destroy()) // the guard has no server any more
  child.unref() // a server must not keep this process from ending
  ;(pipe as { unref?: () => void }).unref?.()
  return { child, pid: child.pid ?? 0, stop: () => stop(child) }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.ref()
  const gone = once(child, 'exit')
  child.kill('SIGTERM')
  const late = setTimeout(() => child.kill('SIGKILL'), 5000)
  await gone
  clearTimeout(late)
}

async function isReady(child: ChildProcess, port: number): Promise<boolean> {
  for (let waited = 0; waited < MOST_START_MS; waited += 20) {
    if (child.exitCode !== null || child.signalCode !== null) return false
    if (await accepts(port)) return child.exitCode === null
    await sleep(20)
  }
  return false
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port })
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}

/** A port that is free now. */
export async function freePort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string')
    throw new Error('no port was given to a listening server')
  return address.port
}
