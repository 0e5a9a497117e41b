// Splits a stream of bytes into lines of bounded length. It guarantees that at most `most` bytes of an unfinished line are held,
// whatever arrives in whatever pieces. A line ends with a line feed, a carriage return, or both; a progress bar that only
// returns the carriage therefore makes lines, too. It leaves the meaning of a line to its user.
import type { Readable } from 'node:stream'

/** Longest line of the seam, in bytes: a thousand metrics with long names need a tenth of it. */
export const LONGEST_LINE = 2 ** 20

/** Longest line of a log, in bytes. A longer one is passed on in pieces of this length. */
export const LONGEST_LOG_LINE = 8192

export interface LineOptions {
  /** Longest line in bytes, without its end. */
  readonly most: number
  readonly onLine: (line: string) => void
  /** A line is longer. Called once with its first bytes as text; nothing is read as a line after that. Without it: cut into pieces. */
  readonly onTooLong?: (beginning: string) => void
}

export interface LineSplitter {
  push(chunk: Uint8Array): void
  /** The end of the stream: what is left is a line. */
  end(): void
}

const LINE_FEED = 0x0a
const RETURN = 0x0d
/** Bytes of a line that is too long which its user sees. */
const BEGINNING = 200

/** Where the next byte is that ends a line; the chunk's length where none is. */
function nextEnd(chunk: Uint8Array, from: number): number {
  let at = from
  while (at < chunk.length && chunk[at] !== LINE_FEED && chunk[at] !== RETURN) at += 1
  return at
}

/** Bytes go in, lines come out. */
export function lineSplitter({ most, onLine, onTooLong }: LineOptions): LineSplitter {
  let held: Uint8Array[] = []
  let length = 0
  let afterReturn = false
  let stopped = false
  const text = (): string => Buffer.concat(held).toString('utf8')
  const emit = (): void => {
    const line = text()
    held = []
    length = 0
    onLine(line)
  }
  const hold = (bytes: Uint8Array): void => {
    // A copy: a few bytes would otherwise keep all of their chunk in memory.
    if (bytes.length > 0) held.push(Uint8Array.from(bytes))
    length += bytes.length
    // Many chunks of one byte would take more memory than their bytes.
    if (held.length > 1024) held = [Buffer.concat(held)]
  }
  /** Holds bytes without a line's end, in pieces where the line is too long. */
  const take = (bytes: Uint8Array): void => {
    let rest = bytes
    while (length + rest.length > most && !stopped) {
      const fits = most - length
      hold(rest.subarray(0, fits))
      rest = rest.subarray(fits)
      if (onTooLong === undefined) {
        emit()
        continue
      }
      stopped = true
      const beginning = text().slice(0, BEGINNING)
      held = []
      onTooLong(beginning)
    }
    if (!stopped) hold(rest)
  }
  return {
    push(chunk) {
      let from = 0
      for (let at = nextEnd(chunk, 0); at < chunk.length && !stopped; at = nextEnd(chunk, from)) {
        // The second half of a carriage return and a line feed, which may come in two chunks, ends no line of its own.
        const second = chunk[at] === LINE_FEED && afterReturn && at === from
        if (!second) take(chunk.subarray(from, at))
        if (!second && !stopped) emit()
        afterReturn = chunk[at] === RETURN
        from = at + 1
      }
      if (stopped || from === chunk.length) return
      afterReturn = false
      take(chunk.subarray(from))
    },
    end() {
      if (!stopped && length > 0) emit()
    },
  }
}

/** Reads a stream to its end, line by line. `onBytes` hears of every piece, also of one that ends no line. */
export function readLines(input: Readable, options: LineOptions & { readonly onBytes?: () => void }): void {
  const splitter = lineSplitter(options)
  input.on('data', (chunk: Buffer) => {
    options.onBytes?.()
    splitter.push(chunk)
  })
  input.on('end', () => splitter.end())
  input.on('error', () => {}) // the process's own end reports it
}
