// Values that markers share, as schemas: numbers of rounds, names of clients, keys and payloads. Pure.
import * as v from 'valibot'
import { Count, Digest } from './values.ts'

/** A round, an attempt or an epoch: what a key can hold (protocol/keys.ts). */
export const Ordinal = v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.maxValue(999_999_999))
export const Name = v.pipe(v.string(), v.regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/))
/** A key of the store (transport/store/key.ts). A marker that names anything else could make a reader leave the record. */
export const Key = v.pipe(
  v.string(),
  v.maxLength(900),
  v.regex(
    /^(?!.*\.\.)[A-Za-z0-9_-][A-Za-z0-9._-]*(\/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$/,
    'is not a key of a record',
  ),
)
/** A payload in the store: where, how long, and the digests of the whole and of its blocks. */
export const Payload = v.object({ key: Key, size: Count, sha256: Digest, blocks: v.array(Digest) })

/** The name of an upload in an attempt (keys.ts). */
export const UploadName = v.pipe(v.string(), v.regex(/^[0-9a-f]{16,64}$/))

/** A file of the base checkpoint: a plain name, no path. */
export const FileName = v.pipe(
  v.string(),
  v.maxLength(128),
  v.regex(/^(?!.*\.\.)[A-Za-z0-9_-][A-Za-z0-9._-]*$/, 'is not the plain name of a file'),
)
/** A file of the output: a plain name, or one in a folder of its own. */
export const OutputName = v.pipe(
  v.string(),
  v.maxLength(128),
  v.regex(
    /^(?!.*\.\.)[A-Za-z0-9_-][A-Za-z0-9._-]*(\/[A-Za-z0-9_-][A-Za-z0-9._-]*)?$/,
    'is not the name of a file of the output',
  ),
)
