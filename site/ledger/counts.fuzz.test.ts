// Any bytes as a ledger: they are counts that can be written again, or nothing. The digest in front is right in half of the cases.
import fc from 'fast-check'
import { sha256 } from '#protocol/digest.ts'
import { fuzz } from '#test/fuzz.ts'
import { decodeCounts, encodeCounts, NO_COUNTS } from './counts.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const sealed = (text: string): Uint8Array => bytes(`sha256:${sha256(text)}\n${text}\n`)
const field = fc.oneof(fc.constant('2026-11-30'), fc.constant(1), fc.jsonValue({ maxDepth: 2 }))
const shaped = fc
  .record({
    datasets: fc.array(
      fc.record({ dataset: field, updates: field, evaluations: field, day: field, updatesToday: field }),
    ),
    tasks: fc.array(fc.record({ dataset: field, run: field, task: field })),
  })
  .map((value) => sealed(JSON.stringify({ ...NO_COUNTS, ...value })))

fuzz('a ledger', {
  input: fc.oneof(shaped, fc.json().map(sealed), fc.string().map(bytes), fc.uint8Array({ maxLength: 200 })),
  examples: ['['.repeat(100_000), '"'.repeat(100_000)].map(sealed),
  read: (input) => {
    const counts = decodeCounts(input)
    if (counts !== undefined) encodeCounts(counts)
  },
})
