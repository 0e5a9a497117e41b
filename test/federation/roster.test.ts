// A hostile coordinator rewrites its record so that everything fits, and lacks only the keys of its clients. The keys that the clients
// published find it.
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { verifyRecord } from '#coordinator/record/verify.ts'
import type { Roster } from '#coordinator/record/verify-roster.ts'
import { encodeJson } from '#protocol/canonical.ts'
import { attemptKeys, clientKeyKey, RUN_KEY } from '#protocol/keys.ts'
import { signReceipt } from '#protocol/receipt-signature.ts'
import type { ClosedDecision, Receipt } from '#protocol/record.ts'
import { keyNamed } from '../given/signed.ts'
import {
  changed,
  finishedRecord,
  markerOf,
  type Objects,
  rechain,
  refold,
  renameReceipt,
  storeOf,
} from './tampered.ts'

const KEYS = attemptKeys(3, 1)
const STRANGER = keyNamed('stranger')

let sound: Objects
let roster: Roster
before(async () => {
  sound = await finishedRecord()
  roster = new Map(
    ['a', 'b', 'c'].map((client) => [client, [markerOf(sound, 'receipt', KEYS.receipt(client)).key!]]),
  )
})

const found = async (objects: Objects, names?: Roster) =>
  verifyRecord(await storeOf(objects), names === undefined ? {} : { roster: names })

const decide = (objects: Objects, change: (decision: ClosedDecision) => object): void =>
  changed(objects, 'decision', KEYS.decision, (decision) => change(decision as ClosedDecision))

/** Makes everything fit again after a change of round 3. Nobody has evaluated the model that comes of it. */
async function rewrite(objects: Objects): Promise<void> {
  await refold(objects, 3)
  changed(objects, 'decision', attemptKeys(4, 1).decision, (decision) => ({
    ...decision,
    ...{ evaluations: [], evaluation: null },
  }))
  await rechain(objects)
}

/** A receipt of a that the coordinator signs itself, with a key that it says a had. */
function forge(objects: Objects, change: (receipt: Receipt) => object): void {
  const { key: _, signature: __, ...receipt } = markerOf(objects, 'receipt', KEYS.receipt('a'))
  const { uid } = markerOf(objects, 'run', RUN_KEY)
  objects.set(KEYS.receipt('a'), signReceipt(STRANGER, uid, change(receipt)))
  const pinned = markerOf(objects, 'clientKey', clientKeyKey('a', 1))
  objects.set(clientKeyKey('a', 2), encodeJson({ ...pinned, key: STRANGER.publicKey }))
  renameReceipt(objects, 3, 'a')
}

const leaveOut = (objects: Objects, outcome: string, reason: string): void =>
  decide(objects, (had) => ({
    ...had,
    updates: had.updates.slice(1),
    outcomes: had.outcomes.map((one) => (one.client === 'a' ? { ...one, outcome, reason } : one)),
  }))

const FORGED = 'round 3: the update of a counts, but a key that the roster does not name signed its receipt'

interface Fraud {
  readonly what: string
  readonly commit: (objects: Objects) => void
  readonly problems: readonly string[]
  readonly remarks?: readonly string[]
}

const FRAUDS: readonly Fraud[] = [
  {
    what: 'invents an update',
    commit: (objects) =>
      forge(objects, (receipt) => ({ ...receipt, incarnation: 'another life of a', dataset: 'none' })),
    problems: [FORGED],
  },
  {
    what: 'weighs an update by more',
    commit(objects) {
      forge(objects, (receipt) => ({ ...receipt, update: { ...receipt.update!, numExamples: 99 } }))
      decide(objects, (had) => ({
        ...had,
        updates: had.updates.map((one) => (one.client === 'a' ? { ...one, numExamples: 99 } : one)),
      }))
    },
    problems: [FORGED],
  },
  {
    what: 'puts the update of another client in the place of an update',
    commit(objects) {
      const { update } = markerOf(objects, 'receipt', KEYS.receipt('b'))
      const from = KEYS.payload('b', update!.upload)
      objects.set(KEYS.payload('a', update!.upload), objects.get(from)!)
      const { numExamples } = markerOf(objects, 'receipt', KEYS.receipt('a')).update!
      forge(objects, (receipt) => ({ ...receipt, update: { ...update!, numExamples } }))
      decide(objects, (had) => ({
        ...had,
        updates: had.updates.map((one) =>
          one.client === 'a' ? { ...one, norm: had.updates[1]!.norm } : one,
        ),
      }))
    },
    problems: [FORGED],
  },
  {
    what: 'rejects an update without a fault of it',
    commit: (objects) => leaveOut(objects, 'Rejected', 'WrongTensors'),
    problems: [
      'round 3: a signed an update in attempt 1, and the decision says Rejected WrongTensors, although the update passes every check',
    ],
  },
  {
    what: 'says that a member of the cohort was not selected',
    commit: (objects) => leaveOut(objects, 'NotSelected', ''),
    problems: [
      'round 3: a signed an update in attempt 1, and the decision says NotSelected, although the update passes every check',
    ],
  },
  {
    what: 'says that an update was late',
    commit: (objects) => leaveOut(objects, 'Late', 'NoReceipt'),
    problems: [],
    remarks: ['round 3: a signed an update in attempt 1, and the decision says Late NoReceipt'],
  },
]

describe('the keys that clients published', () => {
  test('fit an honest record', async () => {
    const { problems, remarks } = await found(sound, roster)
    assert.deepEqual({ problems, remarks }, { problems: [], remarks: [] })
  })

  for (const { what, commit, problems, remarks = [] } of FRAUDS) {
    test(`find a coordinator that ${what}, and rewrites its record`, async () => {
      const objects: Objects = new Map(sound)
      commit(objects)
      await rewrite(objects)
      assert.deepEqual((await found(objects)).problems, [], 'without the keys everything fits')
      const verified = await found(objects, roster)
      assert.deepEqual([verified.problems, verified.remarks], [problems, remarks])
    })
  }

  test('find a receipt that was changed after its client signed it', async () => {
    const objects: Objects = new Map(sound)
    changed(objects, 'receipt', KEYS.receipt('a'), (receipt) => ({ ...receipt, dataset: 'another' }))
    renameReceipt(objects, 3, 'a')
    await rechain(objects)
    const { problems } = await found(objects, roster)
    assert.ok(
      problems.includes('round 3: the update of a counts, but its receipt is not what the client signed'),
      problems.join(),
    )
  })

  test('name every client whose update may count, and those that were never asked', async () => {
    const others = new Map([...roster].filter(([client]) => client !== 'c'))
    const { problems } = await found(sound, others)
    assert.ok(problems.includes('round 3: the update of c counts, but the roster does not name the client'))
    const more = new Map([...roster, ['hospital-x', [STRANGER.publicKey]]])
    assert.deepEqual((await found(sound, more)).remarks, ['no plan of the run names hospital-x'])
  })
})
