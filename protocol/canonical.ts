// JSON in one form only: keys sorted, no spaces, finite numbers. Equal values have equal bytes, so digests mean something.
// Reading checks length, depth and number of values before it allocates, because the bytes may come from anybody.
import { checkJsonBounds, type JsonBounds } from './json-scan.ts'

const ENCODER = new TextEncoder()
const DECODER = new TextDecoder('utf-8', { fatal: true })

/** Anything that JSON can hold. Fields that are undefined are left out, as JSON.stringify does. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json | undefined }

/**
 * The canonical text of a value.
 * Throws TypeError for what JSON cannot hold (NaN, infinities, functions), so that no marker is silently wrong.
 */
export function canonicalJson(value: unknown): string {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new TypeError(`JSON cannot hold ${value}`)
    return JSON.stringify(value)
  }
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  if (typeof value !== 'object') throw new TypeError(`JSON cannot hold a ${typeof value}`)
  const fields = Object.entries(value)
    .filter(([, field]) => field !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, field]) => `${JSON.stringify(key)}:${canonicalJson(field)}`)
  return `{${fields.join(',')}}`
}

/** The canonical text as UTF-8 bytes: what is stored, hashed and sent. */
export function encodeJson(value: unknown): Uint8Array {
  return ENCODER.encode(canonicalJson(value))
}

/** Whether two byte strings are equal. */
export function isSameBytes(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0
}

/**
 * Bounds of a marker in the record. The largest markers are results: 32,768 tensors with their shapes take 4 MB. A receipt's
 * block digests for a terabyte take 20 MB.
 */
const MARKER_BOUNDS: JsonBounds = { bytes: 32 * 1024 * 1024, depth: 64, values: 1_000_000 }

/** Parses UTF-8 JSON. Throws SyntaxError, TypeError, or RangeError above the bounds; the result is unverified. */
export function decodeJson(bytes: Uint8Array, bounds: JsonBounds = MARKER_BOUNDS): unknown {
  checkJsonBounds(bytes, bounds)
  return JSON.parse(DECODER.decode(bytes))
}
