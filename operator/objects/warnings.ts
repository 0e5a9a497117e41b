// Reads a Kubernetes Event: the object that it is about, its reason, its bounded message, and when it was reported last. Accepts
// an event of any shape and never throws. Pure.
import { field, moment, text } from './fields.ts'
import type { Warning } from './shapes.ts'

/** Characters of a message: the webhook of a user may write messages of any length. */
const LONGEST = 1024
/** Event recorders write this before the message of an event that combines several. */
const COMBINED = /^\(combined from similar events\): /

export function warningOf(event: unknown): Warning {
  const regarding = field(event, 'regarding')
  // Recorders of the old API fill the deprecated field; those of the new API fill a series.
  const times = [
    field(event, 'series', 'lastObservedTime'),
    field(event, 'deprecatedLastTimestamp'),
    field(event, 'eventTime'),
  ]
  const at = times.map(moment).find((time) => time !== undefined)
  return Object.freeze({
    kind: text(field(regarding, 'kind')),
    name: text(field(regarding, 'name')),
    uid: text(field(regarding, 'uid')),
    reason: text(field(event, 'reason')),
    message: text(field(event, 'note')).replace(COMBINED, '').slice(0, LONGEST),
    // An event without a time counts as the newest.
    at: at ?? Number.POSITIVE_INFINITY,
  })
}
