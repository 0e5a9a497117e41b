// The permission matrix, cell by cell, on a real nats-server with the configuration of the chart and the gate's real code: coordinator
// and two clients of two runs against every subject of both runs, to publish and to subscribe. The test uses the raw protocol, so that
// the server alone decides.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { COORDINATOR, type Member, memberName } from '#protocol/identity.ts'
import { clientInbox, clientSubject, subjectPrefix } from '#protocol/messages.ts'
import { CLIENT_A, CLIENT_B, type GivenGate, jobOf, openGate } from '../given/gate.ts'
import { openRawNats } from '../given/raw-nats.ts'

const RUNS = ['run-1', 'run-2']
const MEMBERS: readonly Member[] = [COORDINATOR, CLIENT_A, CLIENT_B]

let gate: GivenGate
before(async () => {
  gate = await openGate({ jobs: RUNS.map((uid) => jobOf(uid, uid)) })
  await gate.startGate()
})
after(() => gate?.close())

/** Subjects of both runs, and of everybody: what each member may publish (p) and subscribe (s). */
function cells(uid: string, member: Member): [subject: string, publish: boolean, subscribe: boolean][] {
  const rows: [string, boolean, boolean][] = []
  for (const run of RUNS) {
    const prefix = subjectPrefix('team', run)
    const own = run === uid
    const leads = own && member.role === 'coordinator'
    for (const client of ['a', 'b']) {
      const mine = own && member.role === 'client' && member.client === client
      rows.push([clientSubject(prefix, client), mine, leads])
      rows.push([`${clientInbox(prefix, client)}.x.y`, leads, mine])
    }
    rows.push([clientSubject(prefix, 'c'), false, leads], [`${clientInbox(prefix, 'c')}.x`, leads, false])
  }
  for (const subject of [
    '_INBOX.x',
    '_INBOX.x.y',
    'other',
    '$SYS.REQ.USER.AUTH',
    '$SYS.REQ.USER.INFO',
    '$SYS.REQ.SERVER.PING.CONNZ',
  ])
    rows.push([subject, false, false])
  return rows
}

/** Patterns, which nobody may subscribe but where the table has them. */
function patterns(uid: string, member: Member): [pattern: string, subscribe: boolean][] {
  const rows: [string, boolean][] = [
    ['>', false],
    ['*', false],
    ['fedsam.>', false],
    ['$SYS.>', false],
    ['_INBOX.>', false],
  ]
  for (const run of RUNS) {
    const prefix = subjectPrefix('team', run)
    const leads = run === uid && member.role === 'coordinator'
    rows.push([`${prefix}.>`, false], [`${prefix}.*.ask`, leads], [`${prefix}.*.inbox.>`, false])
    for (const client of ['a', 'b']) {
      const mine = run === uid && member.role === 'client' && member.client === client
      rows.push([`${clientInbox(prefix, client)}.>`, mine], [`${clientInbox(prefix, client)}.*`, mine])
    }
  }
  return rows
}

for (const uid of RUNS) {
  for (const member of MEMBERS) {
    describe(memberName(uid, member), () => {
      let connection: Awaited<ReturnType<typeof openRawNats>>
      before(async () => {
        const token = await gate.tokenOf(uid, member)
        connection = await openRawNats({ tcp: gate.nats.port }, memberName(uid, member), token)
        assert.deepEqual(connection.first, [])
      })
      after(() => connection?.close())

      test('publishes exactly on its own subjects', async () => {
        for (const [subject, publish] of cells(uid, member)) {
          const refused = `-ERR 'Permissions Violation for Publish to "${subject}"'`
          assert.deepEqual(await connection.send(`PUB ${subject} 0`, ''), publish ? [] : [refused])
        }
      })

      test('subscribes exactly to its own subjects', async () => {
        const single = cells(uid, member).map(([subject, , subscribe]) => [subject, subscribe] as const)
        for (const [subject, subscribe] of [...single, ...patterns(uid, member)]) {
          const refused = `-ERR 'Permissions Violation for Subscription to "${subject}"'`
          assert.deepEqual(await connection.send(`SUB ${subject} 1`, 'UNSUB 1'), subscribe ? [] : [refused])
        }
      })
    })
  }
}
