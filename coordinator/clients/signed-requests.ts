// Opens signed requests and seals answers. A request counts where its signature fits, its number is new, it is for this coordinator,
// its version is near (protocol/version.ts), and its key belongs to the client: the first request with a new key adds the key to the
// record (record/client-keys.ts). The bus decides who may publish on a client's subject (protocol/permissions.ts).
import { encodeJson } from '#protocol/canonical.ts'
import { openRequest, type SignedRequest, sealAnswer } from '#protocol/envelope.ts'
import { FedsamError } from '#protocol/errors.ts'
import {
  type GrantRequest,
  type NextAnswer,
  type NextRequest,
  type RequestFrame,
  readRequest,
  readRequestFrame,
} from '#protocol/messages.ts'
import { areNear, versionOf } from '#protocol/version.ts'
import { keyOf } from '../settings/settings.ts'
import type { Callers } from './callers.ts'
import type { ClientsContext } from './context.ts'
import { createSeenRequests } from './seen-requests.ts'

/** A request that gets no answer: an answer to it would help only a sender that is not the client. */
export class NotAnswered extends Error {
  override readonly name = 'NotAnswered'
}

type Context = Pick<
  ClientsContext,
  'fixed' | 'markers' | 'identity' | 'clientKeys' | 'guard' | 'live' | 'version'
>

/** True for a store that cannot be reached now. Throws every other error. */
function unreachable(error: unknown): true {
  if (error instanceof FedsamError && error.code === 'StorageUnreachable') return true
  throw error
}

/** A request of a client, or what to answer instead. */
export type Opened =
  | { readonly kind: 'Request'; readonly request: NextRequest | GrantRequest; readonly signed: SignedRequest }
  /** Its sender speaks a version that this coordinator does not understand: only the frame of the request counts. */
  | { readonly kind: 'OtherVersion'; readonly request: RequestFrame; readonly signed: SignedRequest }
  | { readonly kind: 'Refused'; readonly reason: string }

export interface SignedRequests {
  /** Opens a message on a client's subject. Checks form, signature and version only. */
  open(client: string, message: Uint8Array): Opened
  /**
   * Takes an opened request once. Resolves to the answer where the request goes no further. Throws NotAnswered for a request that
   * came before, and for one to a newer coordinator; Superseded where the store knows that one. Records the key of a 'Request' only.
   */
  take(opened: Exclude<Opened, { kind: 'Refused' }>): Promise<NextAnswer | undefined>
  /** The signed answer to a message, with the version of this coordinator. */
  seal(client: string, message: Uint8Array, answer: object): Uint8Array
}

export function openSignedRequests(context: Context, callers: Callers): SignedRequests {
  const { fixed, markers, identity, clientKeys, guard, live, version } = context
  const seen = createSeenRequests()
  const { key, certificate } = identity
  const { epoch } = markers
  /** Adds the key to the record. A store that is away hides no client: a client gets rights to write only once its key is in the record. */
  const isPinned = async (request: NextRequest | GrantRequest, { key }: SignedRequest): Promise<boolean> => {
    const { kind, client, incarnation } = request
    const pinning = clientKeys.pin(client, key, incarnation)
    return kind === 'grant' ? pinning : pinning.catch(unreachable)
  }
  return {
    open(client, message) {
      const signed = openRequest(message, { uid: fixed.uid, client })
      if (signed === undefined)
        return { kind: 'Refused', reason: 'the request has no signature that fits it' }
      const publicKey = keyOf(live(), client)
      if (publicKey !== undefined && publicKey !== signed.key)
        return {
          kind: 'Refused',
          reason: `the job names another key for ${client} than the one of this request`,
        }
      const request = readRequest(signed.body)
      const frame = request ?? readRequestFrame(signed.body)
      // The bus grants rights by subject. A body that names another client is answered as if its client were unknown.
      if (frame === undefined || frame.client !== client)
        return { kind: 'Refused', reason: 'the request is not of this client' }
      if (!areNear({ client: versionOf(frame), coordinator: version }))
        return { kind: 'OtherVersion', request: frame, signed }
      if (request === undefined) return { kind: 'Refused', reason: 'the request cannot be read' }
      return { kind: 'Request', request, signed }
    },
    async take(opened) {
      const { request, signed } = opened
      const { client, incarnation } = request
      if (signed.epoch > epoch) {
        if (callers.mayClaim(client)) await guard.assertCurrent()
        throw new NotAnswered(`${client} asks coordinator ${signed.epoch}; this one has epoch ${epoch}`)
      }
      // Only the certificate counts in this answer. The client repeats the request to this coordinator.
      if (signed.epoch < epoch) return { kind: 'wait', epoch, reason: '' }
      if (!seen.take(client, `${signed.key} ${incarnation}`, signed.number))
        throw new NotAnswered(`${client} sent its request ${signed.number} before`)
      if (opened.kind === 'OtherVersion') return undefined
      return (await isPinned(opened.request, signed))
        ? undefined
        : { kind: 'refused', epoch, reason: `${client} has too many keys` }
    },
    seal: (client, message, answer) =>
      sealAnswer(key, { certificate, client, request: message, body: encodeJson({ ...answer, version }) }),
  }
}
