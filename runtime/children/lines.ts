// Splits a stream of bytes into lines of bounded length. Guarantees that at most `most` bytes of an unfinished line are in
// memory. A line ends with a line feed, a carriage return, or both, so each update of a progress bar is a line too. The meaning
// of a line is left to the caller.
import type { Readable } from 'node:stream'

/** Longest line of the seam, in bytes: a thousand metrics with long names need a tenth of it. */
export const LONGEST_LINE = 2 ** 20

/** Longest line of a log, in bytes. Longer lines are split into pieces of this length. */
export const LONGEST_LOG_LINE = 8192

export interface LineOptions {
  /** Longest line in bytes, without its end. */
  readonly most: number
  readonly onLine: (line: string) => void
  /**
   * Called once for a longer line, with its first bytes as text; no line follows. Without it, longer lines are split into pieces.
   */
  readonly onTooLong?: (beginning: string) => void
}

export interface LineSplitter {
  push(chunk: Uint8Array): void
  /** The end of the stream: the remaining bytes are a line. */
  end(): void
}

const LINE_FEED = 0x0a
const RETURN = 0x0d
/** Bytes of a too long line that the caller gets, for its message. */
const BEGINNING = 200

/** Index of the next byte that ends a line; the chunk's length where there is none. */
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
  /** Keeps bytes of an unfinished line; splits a line that is too long. */
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
        // A line feed directly after a carriage return, perhaps in the next chunk, does not end another line.
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

/** Reads a stream to its end, line by line. It calls `onBytes` for every chunk, even without the end of a line. */
export function readLines(input: Readable, options: LineOptions & { readonly onBytes?: () => void }): void {
  const splitter = lineSplitter(options)
  input.on('data', (chunk: Buffer) => {
    options.onBytes?.()
    splitter.push(chunk)
  })
  input.on('end', () => splitter.end())
  input.on('error', () => {}) // the end of the process reports the failure
}
