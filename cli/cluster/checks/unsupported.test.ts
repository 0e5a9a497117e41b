// What doctor says of fields that nothing serves yet.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { completeSpec } from '#protocol/defaults.ts'
import type { FederatedJobSpec } from '#protocol/generated/federatedjob.ts'
import { judgeFields } from './unsupported.ts'

const found = (spec: Partial<FederatedJobSpec>): string[] =>
  judgeFields(completeSpec({ partitions: [{ name: 'a' }, { name: 'b' }], ...spec })).map(
    ({ verdict, subject, says, remedy }) => `${verdict} ${subject}: ${says}; ${remedy}`,
  )

test('every field that cannot be served is a problem with what to do, and no other field is', () => {
  assert.deepEqual(found({}), [])
  const spec: Partial<FederatedJobSpec> = {
    output: { fullCheckpoint: true },
  }
  const problems = found(spec)
  assert.deepEqual(
    problems.map((line) => /^Problem fields: spec\.([\w.[\]]+): .*; \w/.exec(line)?.[1]),
    ['output.fullCheckpoint'],
  )
})
