// Lines that stay and, in a terminal, one line below them that changes: what is being done right now. In a pipe or a file there
// are only the lines that stay. This is the one place that prints: what it prints has no control characters but our own colours.
import { plainLines, plainText } from './plain.ts'

/** Where lines go. */
export interface Screen {
  /** A line that stays. */
  say(line: string): void
  /** A line of somebody else's (a trainer's log): to standard error. */
  note(line: string): void
  /** What is going on; empty for nothing. Each replaces the one before, and pipes never see it. */
  live(text: string): void
}

interface Output {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

const CLEAR_LINE = '\r\x1b[K'

/** The colours that our own renderers paint with; they clean what they paint before (plainData). */
// biome-ignore lint/suspicious/noControlCharactersInRegex: colours begin with one
const COLOURS = /(\x1b\[3[1239]m)/

/** Text as it may be printed: no control characters but line ends and, where asked for, our own colours. */
function printable(text: string, painted: boolean): string {
  if (!painted) return plainLines(text)
  return text
    .split(COLOURS)
    .map((part, i) => (i % 2 === 1 ? part : plainLines(part)))
    .join('')
}

/** Prints to standard output. `painted`: the text has our own colours, and what came from outside was cleaned before. */
export function print(text: string, { painted = false } = {}): void {
  process.stdout.write(`${printable(text, painted)}\n`)
}

/** Empties the terminal, for a text that takes the place of the one before. */
export function clearScreen(): void {
  process.stdout.write('\x1b[H\x1b[2J')
}

/** Prints to standard error. */
export function printError(text: string): void {
  process.stderr.write(`${printable(text, false)}\n`)
}

/** A screen on a program's two outputs. */
export function openScreen(output: Output, errors: Output): Screen {
  let shown = ''
  const clear = (): string => (shown === '' ? '' : CLEAR_LINE)
  const draw = (): void => {
    if (shown !== '') output.write(shown)
  }
  return {
    say(line) {
      output.write(`${clear()}${plainLines(line)}\n`)
      draw()
    },
    note(line) {
      if (shown !== '') output.write(CLEAR_LINE)
      errors.write(`${plainLines(line)}\n`)
      draw()
    },
    live(text) {
      if (output.isTTY !== true) return
      const before = clear()
      shown = plainText(text).slice(0, (output.columns || 80) - 1)
      if (before !== '' || shown !== '') output.write(`${before}${shown}`)
    },
  }
}
