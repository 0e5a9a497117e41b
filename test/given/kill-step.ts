// Which kills a test makes of all that it could make. A test that kills a program before and after each of its writes makes all of them,
// unless FEDSAM_KILL_STEP says otherwise: then every n-th one, from the first. An odd number takes kills before and after writes in turn.

const STEP = Number(process.env.FEDSAM_KILL_STEP ?? 1)

export function chosenKills<T>(kills: readonly T[], step = STEP): T[] {
  return kills.filter((_, at) => at % step === 0)
}
