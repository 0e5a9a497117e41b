// Prints lines that stay and, in a terminal, one live line below them. A pipe or a file gets only the lines that stay. No other
// code prints; the only control characters in the output are our own colours.
import { plainLines, plainText } from './plain.ts'

/** The output of a command. */
export interface Screen {
  /** Prints a line that stays. */
  say(line: string): void
  /** Prints a foreign line (of a trainer's log) to standard error. */
  note(line: string): void
  /** Replaces the live line; empty removes it. Pipes never get it. */
  live(text: string): void
}

interface Output {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

const CLEAR_LINE = '\r\x1b[K'

/** The colours of our own renderers, which clean their text before (plainData). */
// biome-ignore lint/suspicious/noControlCharactersInRegex: colours begin with one
const COLOURS = /(\x1b\[3[1239]m)/

/** Printable text: no control characters except line ends and, if `painted`, our own colours. */
function printable(text: string, painted: boolean): string {
  if (!painted) return plainLines(text)
  return text
    .split(COLOURS)
    .map((part, i) => (i % 2 === 1 ? part : plainLines(part)))
    .join('')
}

/** Prints to standard output. `painted`: the text has our own colours, and foreign text in it is already clean. */
export function print(text: string, { painted = false } = {}): void {
  process.stdout.write(`${printable(text, painted)}\n`)
}

/** Clears the terminal before a text that replaces the one before. */
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
