// `fedsam run --processes`: the run's nats-server admits nobody else on the machine, and no client reads or writes what another has.
import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { createBusUsers } from '#cli/run/bus-users.ts'
import { type NatsServer, startNats } from '#cli/run/servers/servers.ts'
import { completeSpec } from '#protocol/defaults.ts'
import { clientInbox, clientSubject, subjectPrefix } from '#protocol/messages.ts'
import { openRawNats } from '../given/raw-nats.ts'

const JOB = {
  namespace: 'default',
  uid: 'local',
  spec: completeSpec({
    trainer: { type: 'Command', command: { command: ['unused'] } },
    partitions: ['a', 'b'].map((name) => ({ name })),
  }),
}
const PREFIX = subjectPrefix('default', 'local')
const REFUSED = ["-ERR 'Authorization Violation'"]

let folder: string
let nats: NatsServer
let users: Awaited<ReturnType<typeof createBusUsers>>
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fedsam-bus-users-'))
  users = await createBusUsers(join(folder, 'users'), JOB)
  nats = await startNats({ folder: join(folder, 'nats'), config: users.config })
})
after(async () => {
  await nats?.stop()
  await rm(folder, { recursive: true, force: true })
})

const as = async (user: string, file = '') =>
  openRawNats({ tcp: nats.port }, user, file === '' ? '' : await readFile(file, 'utf8'))

describe('the nats-server of a run in processes', () => {
  test('refuses a connection without a password, and one with the password of another', async () => {
    assert.deepEqual((await as('')).first, REFUSED)
    assert.deepEqual((await as('local/client/a')).first, REFUSED)
    assert.deepEqual((await as('local/client/a', users.clients.get('b'))).first, REFUSED)
    assert.deepEqual((await as('local/coordinator', users.clients.get('a'))).first, REFUSED)
  })

  test('lets a client use its own subjects only', async () => {
    const a = await as('local/client/a', users.clients.get('a'))
    assert.deepEqual(a.first, [])
    const denied = async (...lines: string[]) =>
      assert.match((await a.send(...lines)).join(), /Permissions Violation/)
    const allowed = async (...lines: string[]) => assert.deepEqual(await a.send(...lines), [])
    await denied('SUB > 1')
    await denied(`SUB ${PREFIX}.> 1`)
    await denied(`SUB ${clientSubject(PREFIX, 'a')} 1`)
    await denied(`SUB ${clientInbox(PREFIX, 'b')}.> 1`)
    await denied(`PUB ${clientSubject(PREFIX, 'b')} 0`, '')
    await denied(`PUB ${clientInbox(PREFIX, 'b')}.x 0`, '')
    await allowed(`SUB ${clientInbox(PREFIX, 'a')}.> 1`)
    await allowed(`PUB ${clientSubject(PREFIX, 'a')} 0`, '')
    a.close()
  })

  test('lets the coordinator hear all clients, and answer them', async () => {
    const coordinator = await as('local/coordinator', users.coordinator)
    assert.deepEqual(await coordinator.send(`SUB ${clientSubject(PREFIX, '*')} 1`), [])
    assert.deepEqual(await coordinator.send(`PUB ${clientInbox(PREFIX, 'a')}.x.y 0`, ''), [])
    assert.match((await coordinator.send('SUB > 1')).join(), /Permissions Violation/)
    coordinator.close()
  })

  test('has passwords that only its user can read, and new ones for the next run', async () => {
    const files = [
      join(folder, 'nats', 'nats.conf'),
      ...(await readdir(join(folder, 'users'))).map((name) => join(folder, 'users', name)),
    ]
    assert.equal(files.length, 4)
    for (const file of files) assert.equal((await stat(file)).mode & 0o777, 0o600, file)
    const before = await readFile(users.coordinator, 'utf8')
    const next = await createBusUsers(join(folder, 'users'), JOB)
    assert.notEqual(await readFile(next.coordinator, 'utf8'), before)
  })
})
