// A trainer's process in a container beside us, joined by FIFOs in a shared folder (protocol/seam-files.ts names them).
// Promises: no open blocks a thread; a trainer that ended shows as the end of `out`; a new life has FIFOs of its own, so it reads
// no call of the life before and its answers are not taken for that one's. Leaves starting the process to the container's script.
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
import { podProcessorTime } from './pod-processes.ts'
import type { Ended, Link } from './process-link.ts'

const { input, output, control, exit } = SEAM_FILES

/** How often it is looked whether somebody reads `in` yet. Real milliseconds. */
const LOOK_MS = 100
/** A process that was ended is gone after so long, even where others hold its output open. Real milliseconds. */
const DRAIN_MS = 5000

/**
 * A trainer that ended by itself ends its pod, and the next pod does its work: so much time the kubelet has to stop us before
 * we speak of a failure. Real milliseconds.
 */
const POD_END_MS = 15_000

/** The shared folder, ready for trainers. */
export interface SeamFolder {
  /** Waits for the next life of the trainer, without blocking. */
  connect(): Link
  /** Leaves the exit code that the container is to end with. */
  leaveExit(code: number): Promise<void>
  /** Whoever comes now finds the end of its input. Keeps no process alive. */
  release(): void
}

/**
 * Makes the FIFOs, open to every user whatever the umask: the trainer's container may run as another one. A trainer that an
 * earlier life of this process left is ended, and starts anew.
 */
export function openSeamFolder(folder: string, podEndMs: number = POD_END_MS): SeamFolder {
  const path = (name: string): string => join(folder, name)
  mkdirSync(folder, { recursive: true })
  const again = isFifo(path(output))
  // `control` is the last one that appears: who finds it finds all.
  renew(folder)
  makeFifo(path(control))
  // Open for both directions: neither this nor a write waits for the reader, and what is written stays for it.
  const toControl = openFifo(path(control), constants.O_RDWR)
  const sayAgain = (): void => void writeSync(toControl, 'again\n')
  const askForProcesses = (number: number): void => {
    try {
      writeSync(toControl, `measure ${number}\n`)
    } catch {
      // Nobody reads any more, and the FIFO is full: nothing is measured.
    }
  }
  if (again) sayAgain()
  const restart = (): void => {
    renew(folder)
    sayAgain()
  }
  return {
    connect: () => ({
      ...connect(folder, restart, { podEndMs }),
      used: podProcessorTime(folder, askForProcesses, randomInt(2 ** 40)),
    }),
    async leaveExit(code) {
      const draft = path(`${exit}.draft`)
      await rm(draft, { force: true, recursive: true })
      // Exclusively: what the trainer may have put there is not written to.
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

/** Whether the container was told how to end, by this life of the network half or an earlier one. */
export function wasSeamLeft(folder: string): boolean {
  return existsSync(join(folder, exit))
}

function isFifo(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isFIFO() === true
}

/** Opens a FIFO, and nothing else that the trainer may have put in its place. Never waits. */
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
  return new FedsamError('TrainerFailed', `${path} is no FIFO any more`, {
    remedy: 'a trainer may write to scratch/ alone; the other files of the seam belong to FedSAM',
  })
}

/** Node has no call for it. What else has the name is deleted. */
function makeFifo(path: string): void {
  if (isFifo(path)) return
  rmSync(path, { recursive: true, force: true })
  execFileSync('mkfifo', ['-m', '0666', path])
}

/** New FIFOs under the old names. Those who have the old ones open keep each other. */
function renew(folder: string): void {
  const drafts = [input, output].map((name) => join(folder, `${name}.draft`))
  for (const draft of drafts) {
    makeFifo(draft)
    renameSync(draft, draft.slice(0, -'.draft'.length))
  }
}

/** One life: from the moment that a process opens the FIFOs to the end of its output. */
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
  let expected = false // that it ends
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
  from.on('error', () => {}) // its close says it
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
      // Where nobody came yet there is nobody to end.
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

/** ENXIO: nobody reads. ENOENT: the pod's folder is gone, and we are about to be. */
const NOBODY: readonly (string | undefined)[] = ['ENXIO', 'ENOENT']

/** Opens a FIFO for writing where somebody has it open, or waits to open it, for reading. Returns an error that waiting cannot cure. */
function openForReader(path: string): number | undefined | FedsamError {
  try {
    return openFifo(path, constants.O_WRONLY)
  } catch (error) {
    if (error instanceof FedsamError) return error
    if (NOBODY.includes((error as NodeJS.ErrnoException).code)) return undefined
    throw error
  }
}
