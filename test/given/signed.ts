// For tests of signed messages: keys by name, a certifier that tests trust, a coordinator that a test plays, and a client's raw
// requests. Tests alone import it.

import { encodeJson } from '#protocol/canonical.ts'
import { type CoordinatorCertificate, certify } from '#protocol/certificate.ts'
import { openRequest, type SignedRequest, sealAnswer } from '#protocol/envelope.ts'
import { clientSubject, type GrantRequest, type NextRequest, readRequest, uidOf } from '#protocol/messages.ts'
import { type SigningKey, signingKeyOf } from '#protocol/signatures.ts'
import { systemClock } from '#runtime/clock.ts'
import { newSigningKey } from '#runtime/signing-key.ts'
import type { MessageBus } from '#transport/ports.ts'
import { type Conversation, openConversation } from '#worker/network/conversation.ts'

/** The key of this name: the same in every process. */
export function keyNamed(name: string): SigningKey {
  return signingKeyOf(seedNamed(name))
}

/** The private half of that key. */
export function seedNamed(name: string): Uint8Array {
  return new TextEncoder().encode(name.padEnd(32, '.').slice(0, 32))
}

export const CERTIFIER = keyNamed('certifier')
export const TRUST = [CERTIFIER.publicKey]
/** What a worker of a test signs with and believes. */
export const signing = (): { key: SigningKey; trust: readonly string[] } => ({
  key: newSigningKey(),
  trust: TRUST,
})

/** The key of the coordinator that tests play. */
export const COORDINATOR = keyNamed('coordinator')

/** The certificate of the coordinator that tests play. */
export function certificateFor(uid: string, epoch: number): CoordinatorCertificate {
  return certify(CERTIFIER, { uid, namespace: 'test', name: 'test', epoch, key: COORDINATOR.publicKey })
}

/** The coordinator's answer to the bytes of a request; its epoch is that of the body. */
export function answerTo(
  message: Uint8Array,
  {
    prefix,
    client,
    answer,
  }: {
    readonly prefix: string
    readonly client: string
    readonly answer: { readonly epoch: number }
  },
): Uint8Array {
  const certificate = certificateFor(uidOf(prefix), answer.epoch)
  return sealAnswer(COORDINATOR, { certificate, client, request: message, body: encodeJson(answer) })
}

export type Script = (
  request: NextRequest | GrantRequest,
  signed: SignedRequest,
) => { readonly epoch: number } | Promise<{ readonly epoch: number }>

/** Plays the coordinator with this epoch: names itself to clients that do not know it, and answers by the script. */
export async function playCoordinator(
  bus: MessageBus,
  prefix: string,
  script: Script,
  epoch = 1,
): Promise<void> {
  await bus.serve(clientSubject(prefix, '*'), async (subject, message) => {
    const client = subject.slice(prefix.length + 1, -'.ask'.length)
    const signed = openRequest(message, { uid: uidOf(prefix), client })!
    const hello = { kind: 'wait', epoch, reason: '' }
    const answer = signed.epoch < epoch ? hello : await script(readRequest(signed.body)!, signed)
    return answerTo(message, { prefix, client, answer })
  })
}

/** A client's end of the conversation, with a key of its own. */
export function conversationOf(
  bus: MessageBus,
  who: {
    readonly prefix: string
    readonly client: string
  },
  key = newSigningKey(),
): Conversation {
  return openConversation({ ...who, bus, key, trust: TRUST, clock: systemClock(), log: () => {} })
}
