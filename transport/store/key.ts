// The shape of keys and of byte ranges, checked alike by every store: what one refuses, all refuse.
// A key that is not of this shape is a mistake of the program, or somebody's attempt to leave the prefix: TypeError.

import type { ByteRange } from '../ports.ts'

const KEY = /^[A-Za-z0-9._-]+(\/[A-Za-z0-9._-]+)*$/

/** S3's limit is 1,024 bytes for prefix and key; a file's name may have 255. */
const LONGEST_KEY = 900
const LONGEST_SEGMENT = 240

/** Returns the key, or throws TypeError: no absolute path, no "..", no ".", no empty segment, no odd character. */
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

/** The range to read of an object of `size` bytes, the whole of it where none is given; RangeError beyond the end. */
export function rangeWithin(key: string, size: number, range?: ByteRange): ByteRange {
  if (range === undefined) return { offset: 0, length: size }
  checkRange(key, range)
  if (range.offset + range.length > size) throw beyondEnd(key, range)
  return range
}

/** RangeError for a range that fits no object at all. */
export function checkRange(key: string, range: ByteRange): void {
  const whole = Number.isSafeInteger(range.offset) && Number.isSafeInteger(range.length)
  if (!whole || range.offset < 0 || range.length < 0) throw beyondEnd(key, range)
}

export function beyondEnd(key: string, range: ByteRange): RangeError {
  return new RangeError(`${range.length} bytes from ${range.offset} are not all within ${key}`)
}
