// What is read of a Kubernetes Event: which object it is about, its reason, its words cut to a bound, and when it was
// last said. Accepts an event of any shape and never throws.
import { field, moment, text } from './fields.ts'
import type { Warning } from './shapes.ts'

/** Characters of a message: admission webhooks write what they like. */
const LONGEST = 1024
/** The recorder writes this before the message of an event that stands for many. */
const COMBINED = /^\(combined from similar events\): /

export function warningOf(event: unknown): Warning {
  const regarding = field(event, 'regarding')
  // A recorder of the older kind fills the deprecated field, one of the newer kind a series.
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
    // Without a time it counts as said just now.
    at: at ?? Number.POSITIVE_INFINITY,
  })
}
