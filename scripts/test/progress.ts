// Breaks a silence: a line every so often while a build or a test file prints nothing; and which test files run meanwhile.

/** Milliseconds without a line before one of ours is printed. */
const SILENCE_MS = 20_000

export interface Silence {
  /** Something was printed. */
  broken(): void
  end(): void
}

/** Calls `say` after each 20 seconds in which nothing was printed, until `end`. */
export function watchSilence(say: () => void): Silence {
  const timer = setInterval(say, SILENCE_MS)
  timer.unref()
  return { broken: () => void timer.refresh(), end: () => clearInterval(timer) }
}

/** Which test files run now, and how long the others took: fed with the runner's events, which come as things happen. */
export class RunningFiles {
  readonly #all: ReadonlySet<string>
  readonly #running = new Map<string, number>()
  readonly #durations: Record<string, number> = {}

  constructor(files: readonly string[]) {
    this.#all = new Set(files)
  }

  /** An event of the runner about a test of this name; a file is a test by its path. `now`: milliseconds. */
  note(type: string, name: string, now: number): void {
    if (!this.#all.has(name)) return
    if (type === 'test:dequeue') this.#running.set(name, now)
    const began = this.#running.get(name)
    if (type !== 'test:complete' || began === undefined) return
    this.#running.delete(name)
    this.#durations[name] = Math.round((now - began) / 100) / 10
  }

  /** Seconds by file, of files that ended. */
  get durations(): Readonly<Record<string, number>> {
    return this.#durations
  }

  line(now: number): string {
    const running = [...this.#running].map(
      ([file, began]) => `${file} (${Math.round((now - began) / 1000)} s)`,
    )
    const done = Object.keys(this.#durations).length
    return `${done} of ${this.#all.size} files done; running: ${running.join(', ') || 'none'}`
  }
}
