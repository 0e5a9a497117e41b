// Answers to "who is there" as the record keeps them, and as a program that starts again gets them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MemberList } from '#protocol/exchange.ts'
import { memberOf, recordedAnswer, withAnswer } from './lists.ts'

const [A, B] = ['a', 'b'].map((name, place) => memberOf({ seed: 7, name: 'run' }, name, place))

test('equal answers in a row are one list, and come again in their order', () => {
  const answers = [[], [], [A!], [A!, B!], [A!, B!], [A!]]
  const lists = answers.reduce<readonly MemberList[]>((all, clients) => withAnswer(all, clients), [])
  assert.deepEqual(
    lists.map(({ times }) => times),
    [2, 1, 2, 1],
  )
  assert.deepEqual(
    answers.map((_, n) => recordedAnswer(lists, n)),
    answers,
  )
})

test('a program that asks more often than before gets the last list again', () => {
  assert.deepEqual(recordedAnswer([{ times: 1, clients: [A!] }], 5), [A])
  assert.equal(recordedAnswer([], 0), undefined)
})

test('a node is a number of 63 bits that follows from run and name', () => {
  const node = BigInt(A!.node)
  assert.ok(node >= 0n && node < 2n ** 63n)
  assert.equal(memberOf({ seed: 7, name: 'run' }, 'a', 3).node, A!.node)
  assert.notEqual(B!.node, A!.node)
  assert.notEqual(memberOf({ seed: 7, name: 'other' }, 'a', 0).node, A!.node)
})
