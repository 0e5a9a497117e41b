// Values that markers and messages share, as schemas. Pure.
import * as v from 'valibot'

/** The SHA-256 of some bytes, in lower-case hexadecimal. */
export const Digest = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/))

/** A whole number from 0 that a JSON number holds exactly. */
export const Count = v.pipe(v.number(), v.safeInteger(), v.minValue(0))
