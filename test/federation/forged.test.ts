// A hostile responder on a bus that admits everybody: it answers each request of each client first, with forged tasks, ends, refusals,
// epochs and grants, and with real answers that it recorded. Nothing changes: the model has the bytes of the undisturbed run. A client
// that believes one of them fails its test at that moment, by the name of the forgery: no test waits for a run that cannot end.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { decodeJson, encodeJson } from '#protocol/canonical.ts'
import { type CoordinatorCertificate, certify } from '#protocol/certificate.ts'
import { openRequest, sealAnswer } from '#protocol/envelope.ts'
import type { RunEvent } from '#protocol/events.ts'
import { clientSubject, type GrantRequest, readRequest, subjectPrefix } from '#protocol/messages.ts'
import { createInProcessBus } from '#transport/bus/in-process/bus.ts'
import { createGrantedTransfers } from '#transport/grants/transfers.ts'
import type { MessageBus } from '#transport/ports.ts'
import { createMemoryStore } from '../given/memory-store.ts'
import { CERTIFIER, keyNamed } from '../given/signed.ts'
import { until } from '../until.ts'
import { eventsOf, type FederationOptions, openFederation, runFederation } from './federation.ts'

/** A request to a coordinator that is not there is repeated soon. */
const JOB: FederationOptions = {
  clients: ['a', 'b', 'c'],
  rounds: 2,
  pace: { holdSeconds: 1 },
  answerSeconds: 4,
}
const PREFIX = subjectPrefix('test', 'test')
const COMPLETE = 'the run is complete'
const LARGEST = Number.MAX_SAFE_INTEGER
/** Requests of one client. A run has about twenty; a client that follows forged tasks asks without end. */
const MOST_REQUESTS = 1000
/** Events of a run that somebody disturbed. */
const HARM: readonly RunEvent['event'][] = [
  'ClientFailed',
  'ClientRefused',
  'UpdateRejected',
  'EvaluationFailed',
  'AttemptAbandoned',
  'RunFailed',
]

let undisturbed: string
let address: string
let onStolen = (_path: string): void => {}
const thief = createServer((request, response) => {
  onStolen(`${request.method} ${request.url}`)
  response.end()
})
before(async () => {
  undisturbed = (await runFederation(JOB)).model
  thief.listen(0, '127.0.0.1')
  await once(thief, 'listening')
  address = `http://127.0.0.1:${(thief.address() as AddressInfo).port}`
})
after(() => {
  thief.close()
  thief.closeAllConnections()
})

/** What the stranger would have a client believe, as the answer to a request of this kind. */
interface Claim {
  readonly to: 'next' | 'grant'
  body(epoch: number, wants: number): { readonly epoch: number }
}

const SHA = 'a'.repeat(64)
const BASE = { key: 'rounds/0/1/model.safetensors', size: 8, sha256: SHA, blocks: [SHA] }
const TASK = { kind: 'Train', round: 1, attempt: 1, base: BASE, evaluate: true, config: {}, seed: SHA }

const next = (fields: (epoch: number) => object): Claim => ({
  to: 'next',
  body: (epoch) => ({ ...fields(epoch), epoch }),
})
const grant = (granted: () => object): Claim => ({
  to: 'grant',
  body: (epoch, wants) => ({ kind: 'granted', epoch, granted: Array.from({ length: wants }, granted) }),
})

const CLAIMS: Readonly<Record<string, Claim>> = {
  'a task': next((epoch) => ({ kind: 'task', task: { ...TASK, epoch } })),
  'an end': next(() => ({ kind: 'finished', reason: 'over' })),
  'a refusal': next(() => ({ kind: 'refused', reason: 'go away' })),
  'a cancellation': next(() => ({ kind: 'cancel', round: 1, attempt: 1, reason: '' })),
  'a pause': next(() => ({ kind: 'wait', reason: '' })),
  'grants of another host': grant(() => ({
    kind: 'Grant',
    grant: { method: 'PUT', url: `${address}/stolen`, headers: {} },
  })),
  'uploads that are complete': grant(() => ({ kind: 'Completed', written: 'Created' })),
  'refused grants': grant(() => ({ kind: 'Refused', reason: 'no' })),
}

/** An answer of the coordinator. */
interface Recorded {
  readonly client: string
  readonly answer: Uint8Array
}

/** A request as the stranger sees it, and all that it knows. */
interface Overheard {
  readonly client: string
  readonly message: Uint8Array
  readonly request: ReturnType<typeof readRequest>
  readonly recorded: readonly Recorded[]
}

/** A false answer; undefined where the stranger has none to this request. */
type Forge = (overheard: Overheard) => Uint8Array | undefined

/** Nobody certified the stranger's key. */
const STRANGER = keyNamed('stranger')
/** A coordinator of this run that was certified once, for epoch 1. */
const EARLIER = keyNamed('earlier')
const RUN = { uid: 'test', namespace: 'test', name: 'quadratic' }
const EARLIER_CERTIFICATE = certify(CERTIFIER, { ...RUN, epoch: 1, key: EARLIER.publicKey })

const certificateIn = (answer: Uint8Array): CoordinatorCertificate => {
  const line = answer.subarray(0, answer.indexOf(0x0a))
  return (decodeJson(line) as { certificate: CoordinatorCertificate }).certificate
}

/** The ways to make an answer of a claim. */
function forgeries(claim: Claim): Readonly<Record<string, Forge>> {
  type Make = (body: Uint8Array, overheard: Overheard) => Uint8Array | undefined
  const forge =
    (epoch: number, make: Make): Forge =>
    (overheard) => {
      const { request } = overheard
      if (request?.kind !== claim.to) return undefined
      const wants = (request as Partial<GrantRequest>).wants?.length ?? 0
      return make(encodeJson(claim.body(epoch, wants)), overheard)
    }
  const unsigned: Make = (body) => body
  const own =
    (epoch: number): Make =>
    (body, { client, message: request }) => {
      const certificate = certify(STRANGER, { ...RUN, epoch, key: STRANGER.publicKey })
      return sealAnswer(STRANGER, { certificate, client, request, body })
    }
  const borrowed: Make = (body, { client, message: request, recorded }) =>
    recorded[0] &&
    sealAnswer(STRANGER, { certificate: certificateIn(recorded[0].answer), client, request, body })
  const raised =
    (certificate: CoordinatorCertificate): Make =>
    (body, { client, message: request }) =>
      sealAnswer(EARLIER, { certificate, client, request, body })
  return {
    'without a signature': forge(1, unsigned),
    'without a signature, of the last epoch': forge(LARGEST, unsigned),
    'with a certificate that the stranger signed': forge(1, own(1)),
    'with a certificate that the stranger signed, of the last epoch': forge(LARGEST, own(LARGEST)),
    "with the coordinator's certificate": forge(1, borrowed),
    'of a certified coordinator that names a later epoch': forge(LARGEST, raised(EARLIER_CERTIFICATE)),
    'of a certified coordinator that changed its certificate': forge(
      LARGEST,
      raised({ ...EARLIER_CERTIFICATE, epoch: LARGEST }),
    ),
  }
}

/** Answers to other requests: of this client, and of another. */
const REPEATED: Readonly<Record<string, Forge>> = {
  'to an earlier request': ({ client, recorded }) =>
    recorded.findLast((one) => one.client === client)?.answer,
  'to the first request': ({ client, recorded }) => recorded.find((one) => one.client === client)?.answer,
  'to another client': ({ client, recorded }) => recorded.findLast((one) => one.client !== client)?.answer,
}

const clientOf = (subject: string): string => subject.slice(PREFIX.length + 1, -'.ask'.length)

/** A bus whose answers the stranger reads. `onServed` hears that the coordinator serves. */
function tapped(bus: MessageBus, recorded: Recorded[], onServed: () => void): MessageBus {
  return {
    ...bus,
    async serve(pattern, handler) {
      const serving = await bus.serve(pattern, async (subject, body) => {
        const answer = await handler(subject, body)
        recorded.push({ client: clientOf(subject), answer })
        return answer
      })
      onServed()
      return serving
    },
  }
}

/** A failure that ends the test at once. */
interface Alarm {
  readonly raised: Promise<never>
  isRaised(): boolean
  raise(what: string): void
}

function openAlarm(): Alarm {
  const { promise, reject } = Promise.withResolvers<never>()
  let isRaised = false
  promise.catch(() => {
    isRaised = true
  })
  return {
    raised: promise,
    isRaised: () => isRaised,
    raise: (what) => reject(new assert.AssertionError({ message: what })),
  }
}

/**
 * Puts one server on the bus for each forgery, and one that watches the clients: each says in its requests how many answers it has
 * ignored, and must have ignored all that it had before its last request.
 */
async function deceive(
  bus: MessageBus,
  {
    forged,
    recorded,
    alarm,
  }: { forged: Readonly<Record<string, Forge>>; recorded: Recorded[]; alarm: Alarm },
): Promise<void> {
  const seenOf = (client: string) => clients.get(client) ?? { requests: 0, answers: 0, due: 0 }
  const clients = new Map<string, { requests: number; answers: number; due: number }>()
  const overhear = (subject: string, message: Uint8Array): Overheard => {
    const client = clientOf(subject)
    const request = readRequest(openRequest(message, { uid: 'test', client })!.body)
    return { client, message, request, recorded }
  }
  await bus.serve(clientSubject(PREFIX, '*'), async (subject, message) => {
    const { client, request } = overhear(subject, message)
    const { requests, answers, due } = seenOf(client)
    if (request?.kind === 'next') {
      if (request.ignored < due)
        alarm.raise(`client ${client} believed a forgery: it ignored ${request.ignored} of ${due}`)
      clients.set(client, { requests: requests + 1, answers, due: answers })
    }
    if (requests > MOST_REQUESTS) alarm.raise(`client ${client} asks without end`)
    throw new Error('the watch answers nothing')
  })
  // The in-process bus takes the first answer that counts; strangers registered first, so each of them comes before the coordinator.
  for (const [how, forge] of Object.entries(forged))
    await bus.serve(clientSubject(PREFIX, '*'), async (subject, message) => {
      // A client that asks without end leaves no turn to timers. Silence ends it.
      if (alarm.isRaised()) throw new Error('the test is over')
      const overheard = overhear(subject, message)
      const answer = forge(overheard)
      if (answer === undefined) throw new Error(`nothing to answer ${how}`)
      const known = seenOf(overheard.client)
      clients.set(overheard.client, { ...known, answers: known.answers + 1 })
      return answer
    })
}

async function assertNoneBelieved(forged: Readonly<Record<string, Forge>>): Promise<void> {
  const alarm = openAlarm()
  onStolen = (path) => alarm.raise(`a client used the grant of another host: ${path}`)
  const plain = createInProcessBus()
  const recorded: Recorded[] = []
  const served = Promise.withResolvers<void>()
  const bus = tapped(plain, recorded, served.resolve)
  const federation = await openFederation({ ...JOB, bus, workerBus: plain })
  try {
    await deceive(plain, { forged, recorded, alarm })
    const onEvent = (event: RunEvent): void => {
      if (HARM.includes(event.event)) alarm.raise(`the run was disturbed: ${JSON.stringify(event)}`)
    }
    const coordinating = federation.coordinate({ onEvent })
    // A request that reaches strangers only would wait for a coordinator until its time is over.
    await Promise.race([served.promise, coordinating])
    const working = JOB.clients.map(async (client) => {
      const end = await federation.work(client)
      if (end !== COMPLETE) alarm.raise(`client ${client} ended: ${end}`)
      return end
    })
    let isOver = false
    const end = Promise.race([Promise.all([coordinating, ...working]), alarm.raised])
    void end
      .catch(() => {})
      .finally(() => {
        isOver = true
      })
    const happened = () => federation.events.map(({ event }) => event)
    await until('the run ends, or a client is deceived', () => isOver, { instead: happened })
    const [outcome] = await end
    assert.equal(outcome.rounds, JOB.rounds)
    assert.equal(await federation.model(), undisturbed)
    const reported = new Set(eventsOf(federation.events, 'AnswersIgnored').map(({ client }) => client))
    assert.deepEqual([...reported].sort(), JOB.clients)
    for (const { accepted, kind } of eventsOf(federation.events, 'RoundCompleted'))
      if (kind === 'Train') assert.deepEqual(accepted, JOB.clients)
  } finally {
    await federation.close()
  }
}

describe('no client believes an answer that no certified coordinator signed for its request:', () => {
  for (const [what, claim] of Object.entries(CLAIMS)) test(what, () => assertNoneBelieved(forgeries(claim)))
  test('a repeated answer', () => assertNoneBelieved(REPEATED))
})

test('a worker that knows its store sends nothing to another host, even where its coordinator grants it', async () => {
  const stolen: string[] = []
  onStolen = (path) => void stolen.push(path)
  const memory = createMemoryStore()
  const federation = await openFederation({
    ...JOB,
    store: {
      ...memory,
      grantWrite: async () => ({ method: 'PUT', url: `${address}/stolen`, headers: {} }),
    },
    transfers: createGrantedTransfers({ memory, stores: ['memory:'] }),
  })
  try {
    void federation.coordinate().catch(() => {})
    for (const client of JOB.clients) void federation.work(client)
    const failures = () => eventsOf(federation.events, 'ClientFailed').map(({ message }) => message)
    await until('a client has used the grant', () => stolen.length + failures().length > 0)
    assert.deepEqual(stolen, [])
    assert.match(failures()[0]!, /grants for memory: only/)
  } finally {
    await federation.close()
  }
})
