// What joins the network half and a trainer's process, whatever it is made of: a child with pipes (spawned.ts), or FIFOs to a
// container beside us (fifos.ts). One link is one life of the process.
import type { Readable } from 'node:stream'

/** How a process ended, as a verb without its subject, and what to do where that is known. */
export interface Ended {
  readonly how: string
  readonly remedy?: string
}

export interface Link {
  /** For messages: what the trainer is. */
  readonly name: string
  /** What it writes on its standard output. */
  readonly output: Readable
  /** What it writes besides, where we can read it. */
  readonly errors?: Readable
  /** Resolves when the process is there. */
  readonly connected: Promise<void>
  /** Resolves with how the process ended, once its output was read. */
  readonly ended: Promise<Ended>
  /**
   * Processor seconds that the process and everything that it started used so far. They never decrease. Undefined where they cannot be
   * measured; without the function they never can.
   */
  readonly used?: () => Promise<number | undefined>
  /** A line for its standard input, with its line feed. What a process that ended does not read is lost. */
  readonly write: (line: string) => void
  /** Asks the process to end (SIGTERM), where we can reach it. */
  readonly terminate?: () => void
  /** Ends the process, with everything that it started, as far as we can reach it. */
  readonly kill: () => void
  /** The end of its input is a trainer's sign to leave. */
  readonly leave: () => void
}
