// The form of keys and of byte ranges. Every store uses these checks, so every store refuses the same keys.
// A key of another form is a defect of the program, or an attempt to leave the prefix: TypeError.

import type { ByteRange } from '../ports.ts'

const KEY = /^[A-Za-z0-9._-]+(\/[A-Za-z0-9._-]+)*$/

/** Characters of a key: S3 takes 1,024 bytes of prefix and key together. */
const LONGEST_KEY = 900
/** Characters of a segment: a file name takes 255 bytes, and a temporary suffix needs some of them. */
const LONGEST_SEGMENT = 240

/** Returns the key. Throws TypeError for an absolute path, "..", ".", an empty segment, or any other character. */
export function checkKey(key: string): string {
  const segments = key.split('/')
  const fits =
    KEY.test(key) &&
    key.length <= LONGEST_KEY &&
    !key.includes('..') &&
    segments.every((segment) => segment !== '.' && segment.length <= LONGEST_SEGMENT)
  if (!fits) throw new TypeError(`not a key of a store: ${JSON.stringify(key.slice(0, 200))}`)
  return key
}

/** The range to read from an object of `size` bytes: the whole object without a range. Throws RangeError beyond its end. */
export function rangeWithin(key: string, size: number, range?: ByteRange): ByteRange {
  if (range === undefined) return { offset: 0, length: size }
  checkRange(key, range)
  if (range.offset + range.length > size) throw beyondEnd(key, range)
  return range
}

/** Throws RangeError for a range that no object can contain. */
export function checkRange(key: string, range: ByteRange): void {
  const whole = Number.isSafeInteger(range.offset) && Number.isSafeInteger(range.length)
  if (!whole || range.offset < 0 || range.length < 0) throw beyondEnd(key, range)
}

export function beyondEnd(key: string, range: ByteRange): RangeError {
  return new RangeError(`${range.length} bytes from ${range.offset} are not all within ${key}`)
}
