// What a client may report of a model: a loss and named metrics. One rule for the trainer seam and for the receipt's schema.
// It guarantees that a reported number is finite and bounded, and that a name is safe to print. Pure.
import { shortened } from './text.ts'

/** Bound of a reported number. A weighted mean of such numbers over any number of clients is finite too. */
export const LARGEST_FIGURE = 1e200

/** Metrics of one call. A receipt holds them all, so their number is bounded. */
export const MOST_METRICS = 64

/** One to 64 letters, digits, spaces and `_.:/@%+=()-`: no control character, no markup. */
const METRIC_NAME = /^[\p{L}\p{N}_ .:/@%+=()-]{1,64}$/u

/** Names that every JavaScript object has: a reader of the record could take one for a metric. */
const BUILT_IN: readonly string[] = ['__proto__', 'constructor', 'prototype']

/** Whether a metric may have this name. */
export function isMetricName(name: string): boolean {
  return METRIC_NAME.test(name) && !BUILT_IN.includes(name)
}

/** Whether a loss or a metric may have this value. */
export function isFigure(value: unknown): value is number {
  return typeof value === 'number' && Math.abs(value) <= LARGEST_FIGURE
}

/** The metrics that count, and one sentence about each of the others. */
export interface AdmittedMetrics {
  readonly metrics: Readonly<Record<string, number>>
  readonly dropped: readonly string[]
}

/** Admits what a trainer reported. A wrong metric never costs a client its update: it is dropped and named. */
export function admitMetrics(reported: Readonly<Record<string, unknown>>): AdmittedMetrics {
  const metrics: Record<string, number> = {}
  const dropped: string[] = []
  let count = 0
  for (const [name, value] of Object.entries(reported)) {
    if (count >= MOST_METRICS) {
      dropped.push(`FedSAM keeps the first ${MOST_METRICS} metrics of a call and drops the others`)
      break
    }
    const fault = faultOf(name, value)
    if (fault === undefined) metrics[name] = value as number
    else dropped.push(`FedSAM drops the metric ${quoted(name)}: ${fault}`)
    count += 1
  }
  return { metrics, dropped }
}

function faultOf(name: string, value: unknown): string | undefined {
  if (!isMetricName(name)) return 'a name has 1 to 64 letters, digits, spaces or _.:/@%+=()-'
  if (isFigure(value)) return undefined
  return `${quoted(value)} is not a finite number of at most ${LARGEST_FIGURE}`
}

/** Longest quotation of a foreign name or value, in characters. */
const LONGEST_QUOTE = 80

/** A foreign value on one line, without control characters. */
function quoted(value: unknown): string {
  const text = typeof value === 'number' ? String(value) : JSON.stringify(value)
  return shortened(text, LONGEST_QUOTE).replace(/[\p{Cc}\p{Cf}]/gu, ' ')
}
