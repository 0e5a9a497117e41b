// A site's bus at the real gate over several lives of its connection: the server cuts it at the end of its permissions, and the next
// connection has fresh ones, with the jobs that the site lists by then.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { clientInbox, clientSubject, subjectPrefix } from '#protocol/messages.ts'
import { natsKey, publicKeyOfNkey } from '#protocol/nkeys.ts'
import { encodeJobList, SITE_USER, siteInbox, USER_INFO_SUBJECT } from '#protocol/sites.ts'
import { connectWebSocket } from '#transport/bus/websocket/bus.ts'
import { NoAnswer } from '#transport/ports.ts'
import { jobOf, openGate } from '../given/gate.ts'
import { until, untilSeen } from '../until.ts'

test('each life of a connection has fresh permissions, and its end is no error', async (t) => {
  const key = natsKey('user', randomBytes(32))
  const publicKey = publicKeyOfNkey(key.publicKey)!
  const jobs = ['run-1', 'run-2'].map((uid) => jobOf(`job-${uid}`, uid, [], { [publicKey]: 'ward' }))
  const gate = await openGate({ jobs, siteSeconds: { least: 3, most: 3 } })
  t.after(() => gate.close())
  await gate.startGate()
  for (const uid of ['run-1', 'run-2']) {
    const coordinator = await gate.connect(uid, { role: 'coordinator' })
    await coordinator.serve(clientSubject(subjectPrefix('team', uid), '*'), async (_, body) => body)
  }

  const listed = ['job-run-1']
  const errors: string[] = []
  let connects = 0
  const bus = await connectWebSocket({
    url: `ws://127.0.0.1:${gate.websocketPort}/bus`,
    credentials: {
      user: SITE_USER,
      nkeySeed: key.seed,
      password: () => encodeJobList(listed.map((name) => ({ namespace: 'team', name }))),
    },
    onConnected: () => {
      connects += 1
    },
    onError: (error) => errors.push(String(error)),
  })
  t.after(() => bus.close())
  const ask = (uid: string) => {
    const prefix = subjectPrefix('team', uid)
    const options = { timeoutMs: 2000, inbox: clientInbox(prefix, 'ward') }
    return bus.request(clientSubject(prefix, 'ward'), Buffer.from(uid), options)
  }
  const answered = (uid: string) =>
    untilSeen(
      `${uid} answers`,
      () => ask(uid),
      () => true,
    )
  assert.equal(Buffer.from(await answered('run-1')).toString(), 'run-1')
  const inbox = siteInbox(publicKey)
  const info = await untilSeen(
    'the server shows the permissions',
    () => bus.request(USER_INFO_SUBJECT, new Uint8Array(0), { timeoutMs: 2000, inbox }),
    () => true,
  )
  assert.match(Buffer.from(info).toString(), /run-1/)
  assert.doesNotMatch(Buffer.from(info).toString(), /run-2/)
  await assert.rejects(ask('run-2'), NoAnswer)

  listed.push('job-run-2')
  assert.equal(Buffer.from(await answered('run-2')).toString(), 'run-2')
  await until('the connection had three lives', () => connects >= 3)
  assert.equal(Buffer.from(await answered('run-1')).toString(), 'run-1')
  // The refusals of the job that was not listed yet are the only ones.
  assert.deepEqual(
    errors.filter((error) => !error.includes('run-2')),
    [],
  )
  assert.ok(errors.length > 0)
})
