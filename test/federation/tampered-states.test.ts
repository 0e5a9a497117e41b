// Programs that tamper with the states of clients in a finished record: `fedsam verify` names what each changed.
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { verifyRecord } from '#coordinator/record/verify.ts'
import { encodeJson } from '#protocol/canonical.ts'
import type { States } from '#protocol/client-state.ts'
import { sha256 } from '#protocol/digest.ts'
import { attemptKeys, resultKey } from '#protocol/keys.ts'
import type { ClosedDecision } from '#protocol/record.ts'
import {
  changed,
  finishedRecord,
  markerOf,
  type Objects,
  rechain,
  renameReceipt,
  storeOf,
} from './tampered.ts'

/** The last training round; the evaluation of its model follows. */
const ROUND = 3
const KEYS = attemptKeys(ROUND, 1)
const LAST = attemptKeys(ROUND + 1, 1)

let sound: Objects
before(async () => {
  sound = await finishedRecord({ quadratic: () => ({ counts: true }), fixed: { retentionRounds: 9 } })
  assert.deepEqual((await verifyRecord(await storeOf(sound))).problems, [])
})

/** Replaces a map, and corrects its digest in the result of the round. */
function mapOf(objects: Objects, change: (states: States) => object): void {
  changed(objects, 'states', KEYS.states, change)
  const bytes = objects.get(KEYS.states)!
  changed(objects, 'result', resultKey(ROUND), (result) => ({
    ...result,
    states: { key: KEYS.states, size: bytes.length, sha256: sha256(bytes) },
  }))
}

const decide = (objects: Objects, change: (decision: ClosedDecision) => object): void =>
  changed(objects, 'decision', KEYS.decision, (decision) => change(decision as ClosedDecision))

const stateOf = (objects: Objects, client: string): string =>
  LAST.clientState(client, markerOf(objects, 'receipt', LAST.receipt(client)).state!.upload!)

interface Case {
  readonly what: string
  readonly tamper: (objects: Objects) => void
  readonly consistent?: true
  readonly says: RegExp
}

const CASES: readonly Case[] = [
  {
    what: 'a byte of a state is another one',
    tamper: (objects) => {
      const bytes = Uint8Array.from(objects.get(stateOf(objects, 'b'))!)
      bytes[3]! ^= 1
      objects.set(stateOf(objects, 'b'), bytes)
    },
    says: /updates\/b\/0000000000000001\.state: block 0 does not match its digest/,
  },
  {
    what: 'a last state is deleted',
    tamper: (objects) => void objects.delete(stateOf(objects, 'b')),
    says: /\.state is missing: it is the last state of b/,
  },
  {
    what: 'the map is another one',
    tamper: (objects) => changed(objects, 'states', KEYS.states, (states) => ({ ...states, states: [] })),
    says: /states\.json is missing, or is not what a result names/,
  },
  {
    what: 'two clients have exchanged their states in the map',
    consistent: true,
    tamper: (objects) =>
      mapOf(objects, ({ states: [a, b, c], ...rest }) => ({
        ...rest,
        states: [{ ...b!, client: 'a' }, { ...a!, client: 'b' }, c],
      })),
    says: /result\.json names other states of clients than its decision and the round before give/,
  },
  {
    what: 'the result names the map of an earlier round',
    consistent: true,
    tamper: (objects) => {
      const { states } = markerOf(objects, 'result', resultKey(1))
      changed(objects, 'result', resultKey(ROUND), (result) => ({ ...result, states }))
    },
    says: /result\.json names other states of clients than its decision and the round before give/,
  },
  {
    what: 'the decision leaves out a state',
    consistent: true,
    tamper: (objects) =>
      decide(objects, ({ states, ...rest }) => ({
        ...rest,
        states: states!.filter(({ client }) => client !== 'b'),
      })),
    says: /decision\.json counts the work of b, and not its state/,
  },
  {
    what: 'the decision names another state than the receipt',
    consistent: true,
    tamper: (objects) =>
      decide(objects, ({ states, ...rest }) => ({
        ...rest,
        states: states!.map((one) => (one.client === 'b' ? { ...one, sha256: 'd'.repeat(64) } : one)),
      })),
    says: /decision\.json names another state of b than its receipt/,
  },
  {
    what: 'a state went on from another one',
    consistent: true,
    tamper: (objects) => {
      const receipt = markerOf(objects, 'receipt', KEYS.receipt('b'))
      objects.set(KEYS.receipt('b'), encodeJson({ ...receipt, stateBase: 'd'.repeat(64) }))
      renameReceipt(objects, ROUND, 'b')
    },
    says: /decision\.json counts the state of b, but it went on from the state d+/,
  },
]

describe('verify finds that', () => {
  for (const { what, tamper, consistent, says } of CASES)
    test(what, async () => {
      const objects = new Map(sound)
      tamper(objects)
      if (consistent) await rechain(objects)
      const { problems } = await verifyRecord(await storeOf(objects))
      assert.match(problems.join('\n'), says)
    })
})
