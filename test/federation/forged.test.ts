// A hostile responder on a bus that admits everybody: it answers each request of each client first, with forged tasks, ends, refusals,
// epochs and grants, and with real answers that it recorded. Nothing changes: the model has the bytes of the undisturbed run.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { encodeJson } from '#protocol/canonical.ts'
import { certify } from '#protocol/certificate.ts'
import { openRequest, sealAnswer } from '#protocol/envelope.ts'
import { clientSubject, readRequest, subjectPrefix } from '#protocol/messages.ts'
import { createInProcessBus } from '#transport/bus/in-process/bus.ts'
import type { MessageBus } from '#transport/ports.ts'
import { keyNamed } from '../given/signed.ts'
import { eventsOf, type FederationOptions, openFederation, runFederation } from './federation.ts'

const JOB: FederationOptions = { clients: ['a', 'b', 'c'], rounds: 3 }
const PREFIX = subjectPrefix('test', 'test')
const LARGEST = Number.MAX_SAFE_INTEGER
const SHA = 'a'.repeat(64)

/** What the stranger would have a client believe: of its `next`, and of its request for grants. */
function claims(address: string, wants: number): readonly object[] {
  const base = { key: 'rounds/0/1/model.safetensors', size: 8, sha256: SHA, blocks: [SHA] }
  const task = { kind: 'Train', round: 1, attempt: 1, base, evaluate: true, config: {}, seed: SHA }
  const grant = { method: 'PUT', url: `${address}/stolen`, headers: {} }
  const granted = Array(wants).fill({ kind: 'Grant', grant })
  return [1, LARGEST].flatMap((epoch): object[] =>
    wants > 0
      ? [
          { kind: 'granted', epoch, granted },
          { kind: 'granted', epoch, granted: Array(wants).fill({ kind: 'Completed', written: 'Created' }) },
          { kind: 'granted', epoch, granted: Array(wants).fill({ kind: 'Refused', reason: 'no' }) },
        ]
      : [
          { kind: 'task', epoch, task: { ...task, epoch } },
          { kind: 'finished', epoch, reason: 'over' },
          { kind: 'refused', epoch, reason: 'go away' },
          { kind: 'cancel', epoch, round: 1, attempt: 1, reason: '' },
          { kind: 'wait', epoch, reason: '' },
        ],
  )
}

/** Ways to make an answer of a lie. A stranger has no key that anybody certified. */
const STRANGER = keyNamed('stranger')
function forgeries(lie: { epoch: number }, client: string, request: Uint8Array): (() => Uint8Array)[] {
  const body = encodeJson(lie)
  const certified = {
    uid: 'test',
    namespace: 'test',
    name: 'quadratic',
    epoch: lie.epoch,
    key: STRANGER.publicKey,
  }
  const signed = (): Uint8Array => {
    const certificate = certify(STRANGER, certified)
    return sealAnswer(STRANGER, { certificate, client, request, body })
  }
  return [() => body, signed]
}

/** Every answer that the coordinator gave so far, by client. */
type Recorded = { readonly client: string; readonly answer: Uint8Array }[]

/** A bus whose answers the stranger reads. */
function tapped(bus: MessageBus, recorded: Recorded): MessageBus {
  return {
    ...bus,
    serve: (pattern, handler) =>
      bus.serve(pattern, async (subject, body) => {
        const answer = await handler(subject, body)
        recorded.push({ client: subject.slice(PREFIX.length + 1, -'.ask'.length), answer })
        return answer
      }),
  }
}

test('forged and repeated answers change no byte, and no transfer goes to another host', async () => {
  const undisturbed = await runFederation(JOB)
  let stolen = 0
  const thief = createServer((_request, response) => {
    stolen += 1
    response.end()
  }).listen(0, '127.0.0.1')
  await once(thief, 'listening')
  const address = `http://127.0.0.1:${(thief.address() as AddressInfo).port}`
  const plain = createInProcessBus()
  const recorded: Recorded = []
  const federation = await openFederation({ ...JOB, bus: tapped(plain, recorded), workerBus: plain })
  try {
    // The in-process bus takes the first answer that counts; strangers registered first, so each of them comes before the coordinator.
    for (let stranger = 0; stranger < 24; stranger += 1) {
      await plain.serve(clientSubject(PREFIX, '*'), async (subject, message) => {
        const client = subject.slice(PREFIX.length + 1, -'.ask'.length)
        const request = readRequest(openRequest(message, { uid: 'test', client })!.body)!
        const wanted = request.kind === 'grant' ? request.wants.length : 0
        const repeated = recorded.slice(-4).map(
          ({ answer }) =>
            () =>
              answer,
        )
        const forged = claims(address, wanted).flatMap((lie) => forgeries(lie as never, client, message))
        const all = [...forged, ...repeated]
        return all[stranger % all.length]!()
      })
    }
    const working = JOB.clients.map((client) => federation.work(client))
    const outcome = await federation.coordinate()
    assert.equal(outcome.rounds, 3)
    assert.deepEqual(
      await Promise.all(working),
      JOB.clients.map(() => 'the run is complete'),
    )
    assert.equal(await federation.model(), undisturbed.model)
    assert.equal(stolen, 0)
    const reported = new Set(eventsOf(federation.events, 'AnswersIgnored').map(({ client }) => client))
    assert.deepEqual([...reported].sort(), ['a', 'b', 'c'])
    for (const { accepted } of eventsOf(federation.events, 'RoundCompleted').filter(
      ({ kind }) => kind === 'Train',
    ))
      assert.deepEqual(accepted, JOB.clients)
  } finally {
    await federation.close()
    thief.close()
  }
})
