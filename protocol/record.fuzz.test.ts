// Receipts as a hostile client leaves them, and keys that it asks for. A receipt is read as one that can be written again, or is
// RecordDamaged. A key is parsed letter for letter, or is rejected.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { fuzz } from '#test/fuzz.ts'
import { checkKey } from '#transport/store/key.ts'
import { encodeJson } from './canonical.ts'
import { attemptKeys, baseKey, parseKey, RUN_KEY, uploadName } from './keys.ts'
import { readMarker } from './record.ts'

const DIGEST = 'a'.repeat(64)
const RECEIPT = {
  schema: 'fedsam.receipt/1',
  client: 'a',
  round: 1,
  attempt: 1,
  incarnation: 'i',
  base: DIGEST,
  update: {
    upload: uploadName(1),
    size: 1,
    sha256: DIGEST,
    blocks: [DIGEST],
    numExamples: 1,
    metrics: { loss: 1 },
  },
  evaluation: { loss: 1, numExamples: 1, metrics: {} },
  notEvaluated: null,
  dataset: 'd',
}
const foreign = fc.oneof(
  fc.jsonValue(),
  fc.constantFrom('__proto__', '../b', -1, 0.5, 1e300, 2 ** 60, null, DIGEST),
  fc.nat(5000).map((length) => 'x'.repeat(length)),
  fc.dictionary(fc.string(), fc.double({ noNaN: true, noDefaultInfinity: true })),
)
const receipts = fc
  .tuple(
    fc.option(fc.tuple(fc.constantFrom(...Object.keys(RECEIPT)), foreign)),
    fc.option(fc.tuple(fc.constantFrom(...Object.keys(RECEIPT.update)), foreign)),
  )
  .map(([outer, inner]) => {
    const update = inner === null ? RECEIPT.update : { ...RECEIPT.update, [inner[0]]: inner[1] }
    return encodeJson({ ...RECEIPT, update, ...(outer === null ? {} : { [outer[0]]: outer[1] }) })
  })
const long = (begin: string, part: string): Uint8Array =>
  new TextEncoder().encode(begin + part.repeat(2 ** 20 / part.length))

fuzz('receipts', {
  input: fc.oneof(receipts, fc.uint8Array({ maxLength: 100 })),
  read(bytes) {
    const receipt = readMarker('receipt', 'r.json', bytes)
    assert.deepEqual(readMarker('receipt', 'r.json', encodeJson(receipt)), receipt)
  },
  examples: [
    encodeJson(RECEIPT),
    long('', '['),
    long('{"update":{"blocks":[', `"${DIGEST}",`),
    long('{"update":{"metrics":{', '"a":1,'),
  ],
})

const segment = fc.oneof(
  fc.constantFrom('..', '.', '', 'rounds', '1', '01', 'updates', 'a', 'base', DIGEST, 'A', '%2e', '\0'),
  fc.string({ maxLength: 80 }),
)
const known = fc
  .tuple(fc.nat(), fc.nat(), fc.constantFrom('a', 'b-1'), fc.nat(3))
  .chain(([round, attempt, client, number]) => {
    const keys = attemptKeys(round, attempt)
    const upload = uploadName(number)
    return fc.constantFrom(
      RUN_KEY,
      baseKey(DIGEST, 'f'),
      keys.model,
      keys.receipt(client),
      keys.payload(client, upload),
    )
  })

fuzz('object keys', {
  input: fc.oneof(
    known,
    fc.array(segment, { maxLength: 8 }).map((parts) => parts.join('/')),
    fc.tuple(known, fc.nat(), fc.string({ maxLength: 3 })).map(([key, at, text]) => {
      const place = at % (key.length + 1)
      return key.slice(0, place) + text + key.slice(place)
    }),
  ),
  read(key) {
    const parsed = parseKey(key)
    if (parsed?.kind === 'Receipt')
      assert.equal(attemptKeys(parsed.round, parsed.attempt).receipt(parsed.client), key)
    if (parsed?.kind === 'Payload')
      assert.equal(attemptKeys(parsed.round, parsed.attempt).payload(parsed.client, parsed.upload), key)
    if (parsed?.kind === 'Model') assert.equal(attemptKeys(parsed.round, parsed.attempt).model, key)
    checkKey(key)
  },
  errors: [TypeError],
  examples: ['a/'.repeat(2 ** 19), '/'.repeat(2 ** 20), `rounds/${'1'.repeat(2 ** 20)}`],
})
