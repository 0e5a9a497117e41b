// Data that is not there yet, or not right yet, may be put right while we wait: in a cluster a volume is filled by others.
// Whoever watches is told what is wrong, and how long it is waited for.
import { setTimeout as pause } from 'node:timers/promises'
import { FedsamError } from '#protocol/errors.ts'
import type { Report } from './serve.ts'

/** Between two looks at the data. Seconds. */
const LOOK_SECONDS = 30
/** Between two progress lines: well below any noProgressSeconds that makes sense. */
const REPORT_SECONDS = 5

export interface PatienceOptions {
  /** How long bad data is waited for; 0: not at all. Seconds. */
  readonly waitSeconds: number
  readonly report: Report
  readonly sleep?: (seconds: number) => Promise<unknown>
}

/** Opens; BadData is reported and looked at again until waitSeconds are over, and is then thrown. Any other error at once. */
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
