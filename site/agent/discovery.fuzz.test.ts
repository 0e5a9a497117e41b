// Foreign bytes as the server's answer about permissions: never an exception, never a name that is not one.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { encodeJson } from '#protocol/canonical.ts'
import { fuzz } from '#test/fuzz.ts'
import { readUserInfo } from './discovery.ts'

const piece = fc.constantFrom(
  'fedsam',
  'team',
  'u-1',
  'a',
  'ask',
  'inbox',
  '.',
  '*',
  '>',
  '..',
  '/',
  '\n',
  '$SYS',
  '',
)
const subject = fc.oneof(
  fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join('.')),
  fc.string({ maxLength: 40 }),
  fc.jsonValue(),
)
const list = fc.oneof(fc.array(subject, { maxLength: 6 }), fc.jsonValue())
const answer = fc
  .record({ publish: list, subscribe: list, time: fc.oneof(fc.string(), fc.jsonValue()) })
  .map(({ publish, subscribe, time }) =>
    encodeJson({
      server: { time },
      data: { permissions: { publish: { allow: publish }, subscribe: { allow: subscribe } } },
    }),
  )

fuzz("the server's answer about permissions: each name in it is a plain name", {
  input: fc.oneof(answer, fc.uint8Array({ maxLength: 200 })),
  read(body) {
    for (const { namespace, uid, client } of readUserInfo(body)?.runs ?? [])
      for (const name of [namespace, uid, client]) assert.match(name, /^[A-Za-z0-9-]+$/)
  },
})
