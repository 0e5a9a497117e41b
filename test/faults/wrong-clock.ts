// The environment of a program whose clock is wrong. Its children that get this environment have the same clock.
import { pathToFileURL } from 'node:url'

export interface WrongClock {
  /** Negative: the clock is behind. */
  readonly secondsAhead?: number
  /** How far the clock jumps each time the program continues after SIGSTOP. */
  readonly secondsAsleep?: number
}

export function wrongClock({ secondsAhead = 0, secondsAsleep = 0 }: WrongClock): Record<string, string> {
  const preload = pathToFileURL(`${import.meta.dirname}/shifted-date.ts`).href
  return {
    NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --import=${preload}`.trim(),
    FEDSAM_TEST_SECONDS_AHEAD: String(secondsAhead),
    FEDSAM_TEST_SECONDS_ASLEEP: String(secondsAsleep),
  }
}
