// The moments at which a test kills a program: before and after each of its writes. With FEDSAM_KILL_STEP every n-th of them, from the
// first. An odd number takes moments before and after writes in turn.

const STEP = Number(process.env.FEDSAM_KILL_STEP ?? 1)

export interface KillAt {
  readonly write: string
  /** The place of the write among all of them, from 0. */
  readonly index: number
  readonly phase: 'before' | 'after'
}

/** The kills that the test makes, for these writes of a run without faults. */
export function killsAt(writes: readonly string[]): KillAt[] {
  const kills = writes.flatMap((write, index) =>
    (['before', 'after'] as const).map((phase) => ({ write, index, phase })),
  )
  return kills.filter((_, at) => at % STEP === 0)
}
