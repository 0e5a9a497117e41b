// Lines that stay and, in a terminal, one line below them that changes: what is being done right now. In a pipe or a file there
// are only the lines that stay.

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

/** A screen on a program's two outputs. */
export function openScreen(output: Output, errors: Output): Screen {
  let shown = ''
  const clear = (): string => (shown === '' ? '' : CLEAR_LINE)
  const draw = (): void => {
    if (shown !== '') output.write(shown)
  }
  return {
    say(line) {
      output.write(`${clear()}${line}\n`)
      draw()
    },
    note(line) {
      if (shown !== '') output.write(CLEAR_LINE)
      errors.write(`${line}\n`)
      draw()
    },
    live(text) {
      if (output.isTTY !== true) return
      const before = clear()
      shown = text.slice(0, (output.columns || 80) - 1)
      if (before !== '' || shown !== '') output.write(`${before}${shown}`)
    },
  }
}
