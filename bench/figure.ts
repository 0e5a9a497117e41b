// What a benchmark reports: measured values, each beside the limit that the machine itself sets, taken in the same run.

export interface Row {
  /** What was measured: "fold: memory above idle". */
  readonly what: string
  readonly value: string
  /** What it is measured against: a target, or the same bytes without the work. Empty where there is nothing. */
  readonly against: string
  /** false: a target was missed. */
  readonly met: boolean
}

/** One line of bench/main.ts's table. `run` may take minutes and cleans up after itself. */
export interface Figure {
  readonly name: string
  /** Whether a run without arguments leaves it out. */
  readonly onlyIfNamed?: boolean
  /** `choice`: the arguments after the figure's name, for a figure that is run alone. */
  run(choice: readonly string[]): Promise<readonly Row[]>
}
