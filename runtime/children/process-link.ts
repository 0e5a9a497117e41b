// The connection to one life of a program of the user's: pipes of a child (child-process.ts), or FIFOs to another container
// (worker/trainer/fifos.ts).
import type { Readable } from 'node:stream'

/** How a process ended, as a phrase that follows its name, and the remedy where one is known. */
export interface Ended {
  readonly how: string
  readonly remedy?: string
  /** The signal that ended it, where one did and this process knows it. */
  readonly signal?: string
}

export interface Link {
  /** The program's name in messages. */
  readonly name: string
  /** Its standard output. */
  readonly output: Readable
  /** Its standard error, where this process can read it. */
  readonly errors?: Readable
  /** Resolves when the process has started. */
  readonly connected: Promise<void>
  /** Resolves once the process has ended and its output was read. */
  readonly ended: Promise<Ended>
  /**
   * Processor seconds that the process and its descendants have used so far; they never decrease. Undefined where they cannot be
   * measured now; without this function they can never be measured.
   */
  readonly used?: () => Promise<number | undefined>
  /** Writes a line, with its line feed, to its standard input. A process that has ended loses it. */
  readonly write: (line: string) => void
  /** Asks the process to end (SIGTERM), where this process may signal it. */
  readonly terminate?: () => void
  /** Kills the process and its descendants, where this process may signal them. */
  readonly kill: () => void
  /** Closes its input: the sign for the program to end. */
  readonly leave: () => void
}
