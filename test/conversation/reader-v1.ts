// How a client of version 1 reads an answer: the rules of that release, kept as they were, with nothing of the present code but the
// comparison of canonical JSON. The first line is strict: another field in it makes the answer unsigned. The body is not.
import * as v from 'valibot'
import { encodeJson, isSameBytes } from '#protocol/canonical.ts'

const Count = v.pipe(v.number(), v.safeInteger(), v.minValue(0))
const Digest = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/))
const Signature = v.pipe(v.string(), v.regex(/^[0-9a-f]{128}$/))
const Text = v.pipe(v.string(), v.maxLength(2048))
const At = { round: Count, attempt: Count }

const Head = v.strictObject({
  certificate: v.object({
    uid: v.pipe(v.string(), v.maxLength(128)),
    namespace: v.pipe(v.string(), v.maxLength(63)),
    name: v.pipe(v.string(), v.maxLength(253)),
    epoch: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
    key: Digest,
    signature: Signature,
  }),
  signature: Signature,
})

const Task = v.object({
  kind: v.picklist(['Train', 'Evaluate', 'Initialise']),
  ...At,
  epoch: Count,
  base: v.nullable(v.object({ key: Text, size: Count, sha256: Digest, blocks: v.array(Digest) })),
  evaluate: v.boolean(),
  config: v.record(v.string(), v.string()),
  dtypes: v.optional(v.array(v.string())),
  seed: Digest,
})

const Granted = v.variant('kind', [
  v.object({
    kind: v.literal('Grant'),
    grant: v.object({
      method: v.picklist(['GET', 'PUT']),
      url: v.string(),
      headers: v.record(v.string(), v.string()),
    }),
    object: v.optional(v.object({ size: Count, sha256: Digest })),
  }),
  v.object({
    kind: v.literal('Upload'),
    upload: v.string(),
    parts: v.array(v.object({ number: Count, size: Count, sha256: v.optional(Digest) })),
  }),
  v.object({ kind: v.literal('Completed'), written: v.picklist(['Created', 'Exists']) }),
  v.object({ kind: v.literal('Refused'), reason: Text }),
])

const Answer = v.variant('kind', [
  v.object({ kind: v.literal('task'), epoch: Count, task: Task }),
  v.object({ kind: v.literal('wait'), epoch: Count, reason: Text }),
  v.object({ kind: v.literal('cancel'), epoch: Count, ...At, reason: Text }),
  v.object({ kind: v.literal('refused'), epoch: Count, reason: Text }),
  v.object({ kind: v.literal('finished'), epoch: Count, reason: Text, failed: v.optional(v.boolean()) }),
  v.object({ kind: v.literal('granted'), epoch: Count, granted: v.array(Granted) }),
])

/** What a client of version 1 understands of the answer. Throws where it would ignore it. */
export function readByVersion1(message: Uint8Array): v.InferOutput<typeof Answer> {
  const end = message.indexOf(0x0a)
  const line = message.subarray(0, end)
  const head = v.parse(Head, JSON.parse(new TextDecoder().decode(line)))
  if (end > 2048 || !isSameBytes(encodeJson(head), line))
    throw new TypeError('the first line is not canonical')
  return v.parse(Answer, JSON.parse(new TextDecoder().decode(message.subarray(end + 1))))
}
