// Reaches a trainer's process in another container of the pod through FIFOs in a shared folder (protocol/seam-files.ts names them).
// Guarantees: no open blocks a thread; the end of a trainer shows as the end of `out`; each life of the trainer has its own
// FIFOs, so no call or answer reaches another life. The script of the trainer's container starts the process.
import { execFileSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { chmod, rename, rm, writeFile } from 'node:fs/promises'
import { Socket } from 'node:net'
import { join } from 'node:path'
import { FedsamError } from '#protocol/errors.ts'
import { SEAM_FILES } from '#protocol/seam-files.ts'
import type { Ended, Link } from '#runtime/children/process-link.ts'
import { podProcessorTime } from './pod-processes.ts'

const { input, output, control, exit } = SEAM_FILES

/** Interval between checks whether the trainer has opened `in`, in milliseconds. */
const LOOK_MS = 100
/** A killed process counts as ended after this time, even if other processes keep its output open. Milliseconds. */
const DRAIN_MS = 5000

/**
 * A trainer that exits by itself ends its pod, and the next pod repeats its work. Wait this long for the kubelet's SIGTERM before
 * reporting a failure. Milliseconds.
 */
const POD_END_MS = 15_000

/** The shared folder, ready for trainers. */
export interface SeamFolder {
  /** Waits for the next life of the trainer, without blocking. */
  connect(): Link
  /** Writes the exit code with which the trainer's container ends. */
  leaveExit(code: number): Promise<void>
  /** Gives every later life of the trainer the end of its input at once. Keeps no process alive. */
  release(): void
}

/**
 * Creates the FIFOs with access for every user, because the trainer's container may run as another one. A trainer that an earlier
 * life of this process used is ended and restarted.
 */
export function openSeamFolder(folder: string, podEndMs: number = POD_END_MS): SeamFolder {
  const path = (name: string): string => join(folder, name)
  mkdirSync(folder, { recursive: true })
  const again = isFifo(path(output))
  // `control` is created last: a reader that finds it finds all FIFOs.
  renew(folder)
  makeFifo(path(control))
  // Opened in both directions: neither open nor write waits for the reader, and the FIFO keeps the bytes for it.
  const toControl = openFifo(path(control), constants.O_RDWR)
  const askForRestart = (): void => void writeSync(toControl, 'again\n')
  const askForProcesses = (number: number): void => {
    try {
      writeSync(toControl, `measure ${number}\n`)
    } catch {
      // No reader is left and the FIFO is full: skip the measurement.
    }
  }
  if (again) askForRestart()
  const restart = (): void => {
    renew(folder)
    askForRestart()
  }
  return {
    connect: () => ({
      ...connect(folder, restart, { podEndMs }),
      used: podProcessorTime(folder, askForProcesses, randomInt(2 ** 40)),
    }),
    async leaveExit(code) {
      const draft = path(`${exit}.draft`)
      await rm(draft, { force: true, recursive: true })
      // `wx` fails where the trainer has put a file at this path.
      await writeFile(draft, String(code), { flag: 'wx' })
      await chmod(draft, 0o644)
      await rename(draft, path(exit))
    },
    release() {
      const link = connect(folder, () => {}, { podEndMs: 0, keepsAlive: false })
      link.leave()
      link.output.resume()
    },
  }
}

/** Whether this or an earlier life of the network half has written the exit code for the trainer's container. */
export function wasSeamLeft(folder: string): boolean {
  return existsSync(join(folder, exit))
}

function isFifo(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isFIFO() === true
}

/** Opens a FIFO without waiting; refuses any other file that the trainer may have put in its place. */
function openFifo(path: string, flags: number): number {
  let opened: number
  try {
    opened = openSync(path, flags | constants.O_NONBLOCK | constants.O_NOFOLLOW)
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === 'ELOOP' ? replaced(path) : error
  }
  if (fstatSync(opened).isFIFO()) return opened
  closeSync(opened)
  throw replaced(path)
}

function replaced(path: string): FedsamError {
  return new FedsamError('TrainerFailed', `${path} was replaced and is not a FIFO`, {
    remedy: 'let the trainer write only below scratch/; the other files of the seam folder belong to FedSAM',
  })
}

/** Creates a FIFO; Node has no call for it. Deletes any other file at this path. */
function makeFifo(path: string): void {
  if (isFifo(path)) return
  rmSync(path, { recursive: true, force: true })
  execFileSync('mkfifo', ['-m', '0666', path])
}

/** Creates new FIFOs under the old names. Processes that have the old ones open stay connected to each other. */
function renew(folder: string): void {
  const drafts = [input, output].map((name) => join(folder, `${name}.draft`))
  for (const draft of drafts) {
    makeFifo(draft)
    renameSync(draft, draft.slice(0, -'.draft'.length))
  }
}

/** One life of the trainer: from the moment that its process opens the FIFOs to the end of its output. */
function connect(
  folder: string,
  restart: () => void,
  { podEndMs, keepsAlive = true }: { readonly podEndMs: number; readonly keepsAlive?: boolean },
): Link {
  const reading = openFifo(join(folder, output), constants.O_RDONLY)
  const from = new Socket({ fd: reading, readable: true, writable: false })
  const { promise: connected, resolve: connect } = Promise.withResolvers<void>()
  const { promise: ended, resolve: end } = Promise.withResolvers<Ended>()
  let to: Socket | undefined
  let expected = false // whether its end is expected
  let closed = false
  const look = setInterval(() => {
    const writing = openForReader(join(folder, input))
    if (writing === undefined) return
    clearInterval(look)
    if (typeof writing !== 'number') return over(`cannot be reached: ${writing.message}`)
    connect()
    if (expected) closeSync(writing)
    else to = new Socket({ fd: writing, readable: false, writable: true }).on('error', () => {})
  }, LOOK_MS)
  const over = (how: string): void => {
    clearInterval(look)
    to?.destroy()
    from.destroy()
    end({ how })
  }
  from.on('error', () => {}) // 'close' follows and is handled
  from.once('close', () => {
    closed = true
    setTimeout(over, expected ? 0 : podEndMs, 'ended').unref()
  })
  if (!keepsAlive) {
    look.unref()
    from.unref()
  }
  return {
    name: 'of this pod',
    output: from,
    connected,
    ended,
    write: (line) => void to?.write(line),
    kill() {
      // Before the trainer opened the FIFOs there is no process to end.
      if (to === undefined) return over('did not start')
      if (closed) return over('ended')
      expected = true
      restart()
      setTimeout(over, DRAIN_MS, 'was ended').unref()
    },
    leave() {
      expected = true
      to?.destroy()
      if (closed) over('ended')
    },
  }
}

/** ENXIO: no reader yet. ENOENT: the pod's folder is deleted, because the pod ends. */
const NOBODY: readonly (string | undefined)[] = ['ENXIO', 'ENOENT']

/** Opens a FIFO for writing where a process reads it or waits to read it. Returns an error where waiting cannot help. */
function openForReader(path: string): number | undefined | FedsamError {
  try {
    return openFifo(path, constants.O_WRONLY)
  } catch (error) {
    if (error instanceof FedsamError) return error
    if (NOBODY.includes((error as NodeJS.ErrnoException).code)) return undefined
    throw error
  }
}
