// Recorded messages of the release before: its clients against this coordinator, and this client against its coordinator. The requests
// and the objects are the recorded bytes; each side gets what the other side of its own release gave it, and the run has the same model.
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { verifyRecord } from '#coordinator/record/verify.ts'
import { certificateCheck } from '#protocol/certificate.ts'
import { openAnswer, openRequest, sealAnswer } from '#protocol/envelope.ts'
import { outputKey } from '#protocol/keys.ts'
import {
  clientSubject,
  readGrantAnswer,
  readNextAnswer,
  readRequest,
  subjectPrefix,
} from '#protocol/messages.ts'
import { CONVERSATION, versionOf } from '#protocol/version.ts'
import { createInProcessBus } from '#transport/bus/in-process/bus.ts'
import { createGrantedTransfers } from '#transport/grants/transfers.ts'
import type { MessageBus } from '#transport/ports.ts'
import { openFederation } from '../federation/federation.ts'
import { createMemoryStore } from '../given/memory-store.ts'
import { COORDINATOR, certificateFor, TRUST } from '../given/signed.ts'
import { until } from '../until.ts'
import { readByVersion1 } from './reader-v1.ts'
import { KEYS, nameSite, type Recorded, type Recording, RUN, readRecording } from './recording.ts'

const BEFORE = CONVERSATION - 1
const { uid } = RUN.fixed
const PREFIX = subjectPrefix('test', uid)
const LONG = { timeoutMs: 120_000 }
const MODEL = outputKey('model.safetensors')
const check = certificateCheck({ uid, trust: TRUST })

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

interface Exchange {
  readonly client: string
  readonly request: string
  readonly answer: string
  /** Where the request and the answer are in the recording. */
  readonly sentAt: number
  readonly answeredAt: number
}

/** The exchanges that have an answer, by number. */
function exchangesOf(events: readonly Recorded[]): Map<number, Exchange> {
  const answers = events.flatMap((event, answeredAt) =>
    event.event === 'Answer' ? [{ ...event, answeredAt }] : [],
  )
  return new Map(
    answers.map(({ exchange, message: answer, answeredAt }) => {
      const sentAt = events.findIndex((one) => one.event === 'Request' && one.exchange === exchange)
      const { client, message: request } = events[sentAt] as Extract<Recorded, { event: 'Request' }>
      return [exchange, { client, request, answer, sentAt, answeredAt }]
    }),
  )
}

/** The body of a message without what differs in every run: the rights in URLs; and without the version. */
function contentOf(message: string): object {
  const body = message.slice(message.indexOf('\n') + 1).replaceAll(/\?ticket=[0-9a-f-]+/g, '')
  const { version: _, ...content } = JSON.parse(body) as { version?: number }
  return content
}

let recording: Recording
let exchanges: ReadonlyMap<number, Exchange>
before(async () => {
  recording = await readRecording(BEFORE)
  exchanges = exchangesOf(recording.events)
})

test('the recording has every kind of request and answer that a run without faults has', () => {
  const kinds = [...exchanges.values()].flatMap(({ request, answer }) =>
    [request, answer].map((message) => (contentOf(message) as { kind: string }).kind),
  )
  const expected = ['finished', 'grant', 'granted', 'next', 'refused', 'task', 'wait']
  assert.deepEqual([...new Set(kinds)].sort(), expected)
})

test('each recorded message opens and reads; its version is the one before', () => {
  for (const { client, request, answer } of exchanges.values()) {
    const sent = openRequest(bytesOf(request), { uid, client })
    assert.ok(sent, request)
    const read = readRequest(sent.body)
    assert.ok(read, request)
    assert.equal(versionOf(read), BEFORE)
    const opened = openAnswer(bytesOf(answer), { uid, client, request: bytesOf(request), check })
    assert.ok(opened.kind === 'Answer', answer)
    const understood = read.kind === 'grant' ? readGrantAnswer(opened.body) : readNextAnswer(opened.body)
    assert.ok(understood, answer)
    assert.equal(versionOf(understood), BEFORE)
  }
})

test('clients of the release before take part: they get the answers that they can read, and the model has the same bytes', async () => {
  const store = createMemoryStore()
  const bus = createInProcessBus()
  const federation = await openFederation({ ...RUN, store, bus })
  try {
    nameSite(federation.live)
    const run = federation.coordinate()
    const ask = (client: string, message: Uint8Array): Promise<Uint8Array> =>
      bus.request(clientSubject(PREFIX, client), message, LONG)
    await until('the coordinator answers', async () => (await ask('a', bytesOf('?'))).length > 0)
    const answers = new Map<number, Promise<Uint8Array>>()
    for (const event of recording.events) {
      if (event.event === 'Write') {
        assert.equal(await store.put(event.key, recording.objects.get(event.key)!), 'Created')
        continue
      }
      const exchange = exchanges.get(event.exchange)
      if (exchange === undefined) continue
      const { client, request } = exchange
      if (event.event === 'Request') answers.set(event.exchange, ask(client, bytesOf(request)))
      else {
        const answer = await answers.get(event.exchange)!
        const opened = openAnswer(answer, { uid, client, request: bytesOf(request), check })
        assert.equal(opened.kind, 'Answer')
        readByVersion1(answer)
        // This release adds fields, which that one ignores.
        assert.partialDeepStrictEqual(contentOf(new TextDecoder().decode(answer)), contentOf(event.message))
      }
    }
    await run
    assert.deepEqual(await store.get(MODEL), new Uint8Array(recording.objects.get(MODEL)!))
    assert.deepEqual((await verifyRecord(store)).problems, [])
  } finally {
    await federation.close()
  }
})

test('clients of the release before read why a coordinator of two versions later refuses them', async () => {
  const bus = createInProcessBus()
  const federation = await openFederation({ ...RUN, bus })
  try {
    const over = new AbortController()
    const run = federation.coordinate({ version: BEFORE + 2, signal: over.signal }).catch(() => {})
    const ask = (message: Uint8Array): Promise<Uint8Array> =>
      bus.request(clientSubject(PREFIX, 'a'), message, LONG)
    await until('the coordinator answers', async () => (await ask(bytesOf('?'))).length > 0)
    const requests = [...exchanges.values()].filter(({ client }) => client === 'a').slice(0, 2)
    const answers = []
    for (const { request } of requests) answers.push(readByVersion1(await ask(bytesOf(request))))
    const [first, second] = answers
    assert.equal(first?.kind, 'wait', 'the coordinator names itself')
    assert.ok(second?.kind === 'refused')
    assert.match(
      second.reason,
      /client speaks version 1 .* coordinator version 3; .*; upgrade the client's FedSAM/,
    )
    over.abort()
    await run
  } finally {
    await federation.close()
  }
})

/**
 * Plays the recorded coordinator. The answer to a request is that to the recorded request with the same content. It comes when every
 * request of the client that was sent before it has come.
 */
async function playRecorded(bus: MessageBus, unexpected: (request: object) => void): Promise<void> {
  const left = [...exchanges.values()].filter(({ request }) => !request.includes('"stranger"'))
  const came = new Map(left.map((exchange) => [exchange, Promise.withResolvers<void>()]))
  await bus.serve(clientSubject(PREFIX, '*'), async (subject, message) => {
    const client = subject.split('.').at(-2)!
    const content = contentOf(new TextDecoder().decode(message))
    assert.ok(openRequest(message, { uid, client }))
    const at = left.findIndex((one) => one.client === client && isSame(contentOf(one.request), content))
    if (at < 0) unexpected(content)
    const [exchange] = left.splice(at, 1)
    came.get(exchange!)!.resolve()
    const earlier = [...came].filter(([one]) => one.client === client && one.sentAt < exchange!.answeredAt)
    await Promise.all(earlier.map(([, { promise }]) => promise))
    const body = bytesOf(exchange!.answer.slice(exchange!.answer.indexOf('\n') + 1))
    return sealAnswer(COORDINATOR, { certificate: certificateFor(uid, 1), client, request: message, body })
  })
}

const isSame = (one: object, other: object): boolean => JSON.stringify(one) === JSON.stringify(other)

describe('a client of this release', () => {
  test('takes part where the coordinator is of the release before: it writes the recorded bytes', async () => {
    const bus = createInProcessBus()
    const { objects } = recording
    const written = new Map<string, Uint8Array>()
    const keyOf = ({ url }: { readonly url: string }): string => new URL(url).pathname
    const memory = {
      scheme: {
        read: async () => assert.fail('no run reads a part here'),
        open: async (grant: { readonly url: string }, from: number) => {
          const body = objects.get(keyOf(grant))!
          return {
            size: body.length,
            chunks: (async function* () {
              yield body.subarray(from)
            })(),
          }
        },
        write: async (grant: { readonly url: string }, body: Uint8Array) => {
          written.set(keyOf(grant), new Uint8Array(body))
          return 'Created' as const
        },
      },
    }
    const wrong = Promise.withResolvers<never>()
    await playRecorded(bus, (request) => wrong.reject(new Error(`not recorded: ${JSON.stringify(request)}`)))
    const federation = await openFederation({ ...RUN, bus, transfers: createGrantedTransfers({ memory }) })
    try {
      const clients = [...KEYS].map(([client, key]) =>
        federation.work(client, { key, incarnation: `${client}-life` }),
      )
      const ends = await Promise.race([Promise.all(clients), wrong.promise])
      assert.deepEqual(ends, ['the run is complete', 'the run is complete'])
      const expected = recording.events.flatMap((event) => (event.event === 'Write' ? [event.key] : []))
      assert.deepEqual([...written.keys()].sort(), expected.sort())
      for (const [key, body] of written) assert.deepEqual(body, new Uint8Array(objects.get(key)!), key)
    } finally {
      await federation.close()
    }
  })
})
