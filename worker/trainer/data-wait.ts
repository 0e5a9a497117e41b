// Opens data, and retries while the data is bad: in a cluster, others may still fill the volume. Reports the problem and the
// remaining wait as progress.
import { setTimeout as pause } from 'node:timers/promises'
import { FedsamError } from '#protocol/errors.ts'
import type { Report } from './serve.ts'

/** Pause before the data is checked again, in seconds. */
const LOOK_SECONDS = 30
/** Interval of progress lines, in seconds: well below any reasonable noProgressSeconds. */
const REPORT_SECONDS = 5

export interface PatienceOptions {
  /** How long to wait for correct data, in seconds; 0: do not wait. */
  readonly waitSeconds: number
  readonly report: Report
  readonly sleep?: (seconds: number) => Promise<unknown>
}

/** Opens the data. On BadData it reports the problem and retries until waitSeconds are over; it throws any other error at once. */
export async function openPatiently<T>(open: () => Promise<T>, options: PatienceOptions): Promise<T> {
  const { waitSeconds, report, sleep = (seconds) => pause(seconds * 1000) } = options
  let waited = 0
  for (;;) {
    try {
      return await open()
    } catch (error) {
      if (!(error instanceof FedsamError) || error.code !== 'BadData' || waited >= waitSeconds) throw error
      const until = Math.min(waited + LOOK_SECONDS, waitSeconds)
      const remedy = error.remedy === '' ? '' : `; ${error.remedy}`
      while (waited < until) {
        report(0, 0, `${error.message}${remedy} (waited ${waited} of ${waitSeconds} s)`)
        const seconds = Math.min(REPORT_SECONDS, until - waited)
        await sleep(seconds)
        waited += seconds
      }
    }
  }
}
