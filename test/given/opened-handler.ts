// A coordinator's request handler over an in-process bus, with a clock that the test moves, and signed requests to it. Tests alone
// import it.
import assert from 'node:assert/strict'
import type { ClientsContext } from '#coordinator/clients/context.ts'
import { createCurrentAttempt } from '#coordinator/clients/current-attempt.ts'
import { certifyBy } from '#coordinator/clients/local-certifier.ts'
import { openPresence } from '#coordinator/clients/presence.ts'
import { openRequestHandler } from '#coordinator/clients/request-handler.ts'
import { openClientKeys } from '#coordinator/record/client-keys.ts'
import { encodeJson } from '#protocol/canonical.ts'
import { certificateCheck } from '#protocol/certificate.ts'
import { openAnswer, type SignedRequest, sealRequest } from '#protocol/envelope.ts'
import { FedsamError } from '#protocol/errors.ts'
import type { RunEvent } from '#protocol/events.ts'
import { clientSubject, type NextAnswer, readNextAnswer, subjectPrefix } from '#protocol/messages.ts'
import type { SigningKey } from '#protocol/signatures.ts'
import { CONVERSATION } from '#protocol/version.ts'
import { createNotifier } from '#runtime/notifier.ts'
import { createMemoryStore } from '#test/given/memory-store.ts'
import { CERTIFIER, keyNamed, TRUST } from '#test/given/signed.ts'
import { createInProcessBus } from '#transport/bus/in-process/bus.ts'
import type { MessageBus } from '#transport/ports.ts'

export const PREFIX = subjectPrefix('test', 'uid')

const away = async (): Promise<never> => {
  throw new FedsamError('StorageUnreachable', 'the store is away')
}

/** A handler for the partitions a and b, A test moves the time. */
export async function openedHandler({ storeIsAway = false, keys = {} as Record<string, string> } = {}) {
  const time = { now: 1000 }
  const clock = {
    now: () => time.now,
    sleep: (_seconds: number, signal?: AbortSignal) =>
      new Promise<void>((resolve) => signal?.addEventListener('abort', () => resolve(), { once: true })),
  }
  const stop = new AbortController()
  const events: RunEvent[] = []
  const failures: unknown[] = []
  const presence = openPresence(clock, 45, (client) => keys[client])
  const notifier = createNotifier()
  const key = keyNamed('coordinator')
  const fixed = { namespace: 'test', uid: 'uid', name: 'test' }
  const certificate = await certifyBy(
    CERTIFIER,
    fixed,
  )({ epoch: EPOCH, key: key.publicKey, signal: stop.signal })
  const store = createMemoryStore()
  let asked = 0
  const context = {
    markers: { epoch: EPOCH },
    identity: { key, certificate },
    version: CONVERSATION,
    clientKeys: openClientKeys(storeIsAway ? { ...store, put: away } : store),
    guard: {
      async assertCurrent() {
        asked += 1
      },
    },
    fixed,
    live: () => ({
      members: ['a', 'b'].map((name) => ({
        name,
        train: true,
        ...(keys[name] === undefined ? {} : { publicKey: keys[name] }),
      })),
    }),
    current: createCurrentAttempt(notifier),
    pace: { holdSeconds: 10 },
    notifier,
    presence,
    clock,
    observe: (event: RunEvent) => void events.push(event),
    signal: stop.signal,
  } as unknown as ClientsContext
  const bus = createInProcessBus({ onError: (error) => void failures.push(error) })
  const handler = await openRequestHandler(context, bus)
  const close = async (): Promise<void> => {
    stop.abort()
    await handler.stop()
    await bus.close()
  }
  return { bus, events, failures, presence, time, close, store, askedStore: () => asked }
}

/** The epoch of the handler's coordinator. */
export const EPOCH = 4

/** A request of this client that it has nothing, with these fields in place of its own. */
export const bodyOf = (client: string, more: object = {}): Uint8Array =>
  encodeJson({
    kind: 'next',
    client,
    incarnation: 'i',
    dataset: '',
    backend: '',
    have: { state: 'Idle' },
    progress: null,
    ...more,
  })

/** Far longer than an answer takes: only a fault reaches this timeout. */
export const LONG = { timeoutMs: 120_000 }

let numbers = 0

/** A request of this client, by its own key unless another one signs. */
export function requestOf(client: string, change: Partial<SignedRequest> & { by?: SigningKey } = {}) {
  const { by = keyNamed(client), number = ++numbers, epoch = EPOCH, body = bodyOf(client) } = change
  return sealRequest(by, { uid: 'uid', client }, { number, epoch, body })
}

/** Sends the bytes of a request on a client's subject; the answer as that client takes it, verified. */
export async function send(
  bus: MessageBus,
  client: string,
  request: Uint8Array,
): Promise<NextAnswer | undefined> {
  const message = await bus.request(clientSubject(PREFIX, client), request, LONG)
  const check = certificateCheck({ uid: 'uid', trust: TRUST })
  const opened = openAnswer(message, { uid: 'uid', client, request, check })
  assert.ok(opened.kind === 'Answer')
  const answer = readNextAnswer(opened.body)
  if (answer === undefined) return undefined
  const { version, ...rest } = answer
  assert.equal(version, CONVERSATION)
  return rest
}

/** One request in a client's name, on that client's subject. */
export const ask = (bus: MessageBus, client: string): Promise<NextAnswer | undefined> =>
  send(bus, client, requestOf(client))
