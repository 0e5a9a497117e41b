// Many connections at once, and gates that come and go: everybody who may connect does, and connected clients work on.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { COORDINATOR, type Member, memberName } from '#protocol/identity.ts'
import { clientInbox, clientSubject, subjectPrefix } from '#protocol/messages.ts'
import { NoAnswer } from '#transport/ports.ts'
import { type GivenGate, jobOf, openGate } from '../given/gate.ts'
import { openRawNats, type RawNats } from '../given/raw-nats.ts'
import { until } from '../until.ts'

const RUN = 'run-1'
const PREFIX = subjectPrefix('team', RUN)
const COUNT = 1000
const CLIENTS = Array.from({ length: COUNT }, (_, at) => `c${at}`)
const memberOf = (client: string): Member => ({ role: 'client', client })

let gate: GivenGate
before(async () => {
  gate = await openGate({ jobs: [jobOf('big', RUN, CLIENTS)] })
})
after(() => gate?.close())

/** Tries that a client has. Each takes eight seconds at most, so that only a fault needs them all. */
const TRIES = 40

/** Tries until the server admits the client, as workers do. */
async function admitted(client: string, token: string): Promise<RawNats> {
  for (let tries = 1; tries <= TRIES; tries += 1) {
    const raw = await openRawNats({ tcp: gate.nats.port }, memberName(RUN, memberOf(client)), token)
    if (raw.first.length === 0) return raw
    raw.close()
  }
  throw new Error(`${client} was not admitted in ${TRIES} tries`)
}

describe('1,000 workers', () => {
  test('that connect at once are all admitted, each with its own subjects', async (t) => {
    const running = await gate.startGate()
    const tokens = await Promise.all(CLIENTS.map((client) => gate.tokenOf(RUN, memberOf(client))))
    const all = await Promise.all(CLIENTS.map((client, at) => admitted(client, tokens[at]!)))
    t.after(() => {
      for (const raw of all) raw.close()
    })
    const probes = await Promise.all(
      all.map((raw, at) => {
        const [own, other] = [CLIENTS[at]!, CLIENTS[(at + 1) % COUNT]!]
        return raw.send(
          `PUB ${clientSubject(PREFIX, own)} 0`,
          '',
          `PUB ${clientSubject(PREFIX, other)} 0`,
          '',
        )
      }),
    )
    for (const [at, lines] of probes.entries())
      assert.deepEqual(lines, [
        `-ERR 'Permissions Violation for Publish to "${clientSubject(PREFIX, CLIENTS[(at + 1) % COUNT]!)}"'`,
      ])
    await running.stop()
  })
})

describe('a gate that ends under load', () => {
  test('leaves connected clients as they are; new ones wait for the next gate', async (t) => {
    const first = await gate.startGate()
    const coordinator = await gate.connect(RUN, COORDINATOR)
    await coordinator.serve(clientSubject(PREFIX, '*'), async (_, body) => body)
    const clients = CLIENTS.slice(0, 20)
    const buses = await Promise.all(clients.map((client) => gate.connect(RUN, memberOf(client))))
    let [answers, failures, asking] = [0, 0, true]
    t.after(() => {
      asking = false
    })
    const loops = buses.map(async (bus, at) => {
      const client = clients[at]!
      while (asking) {
        const options = { timeoutMs: 60_000, inbox: clientInbox(PREFIX, client) }
        await bus.request(clientSubject(PREFIX, client), Buffer.from('x'), options).then(
          () => {
            answers += 1
          },
          () => {
            failures += 1
          },
        )
        // Twenty clients are about 400 requests a second; without a pause they would use a whole core for nothing.
        await sleep(50)
      }
    })
    await until('there is load', () => answers > 100)
    await first.stop()
    const before = answers
    await until('the clients still have answers', () => answers > before + 200)
    // The server waits eight seconds for a gate, then refuses as it refuses a wrong token.
    await assert.rejects(gate.connect(RUN, memberOf('c100')), {
      code: 'MessagingUnreachable',
      message: /Authorization/,
    })
    const token = await gate.tokenOf(RUN, memberOf('c101'))
    const waiting = admitted('c101', token)
    const second = await gate.startGate()
    ;(await waiting).close()
    asking = false
    await Promise.all(loops)
    assert.equal(failures, 0)
    await Promise.all([coordinator, ...buses].map((bus) => bus.close()))
    await second.stop()
  })

  test('is replaced by the other one: all who connect meanwhile are admitted', async () => {
    const [one, two] = [await gate.startGate(), await gate.startGate()]
    const clients = CLIENTS.slice(0, 100)
    const tokens = await Promise.all(clients.map((client) => gate.tokenOf(RUN, memberOf(client))))
    gate.verdicts.length = 0
    const connecting = clients.map((client, at) => admitted(client, tokens[at]!))
    await until('the gates are at work', () => gate.verdicts.length > 10)
    await one.stop()
    for (const raw of await Promise.all(connecting)) raw.close()
    await two.stop()
  })
})

test('a coordinator that is away is NoAnswer for a client, not an error of the gate', async () => {
  const running = await gate.startGate()
  const bus = await gate.connect(RUN, memberOf('c0'))
  const options = { timeoutMs: 60_000, inbox: clientInbox(PREFIX, 'c0') }
  await assert.rejects(bus.request(clientSubject(PREFIX, 'c0'), Buffer.from('x'), options), NoAnswer)
  await running.stop()
})
