// Signed messages. A message is one line of JSON (who signed, and the signature), a line feed, and the body. The client signs its
// requests with its own key; each has a fresh number, and names the coordinator that it is for. The coordinator signs its answers
// with the key of its certificate. An answer is bound to the run, the client, the bytes of the request and the body, so that no other
// request can be answered with it. Opening a message returns its body, or the exact reason why it does not count. Pure.
import * as v from 'valibot'
import { decodeJson, encodeJson, isSameBytes } from './canonical.ts'
import { type CertificateFault, CertificateSchema, type CoordinatorCertificate } from './certificate.ts'
import { sha256 } from './digest.ts'
import { isSignedBy, PublicKey, SIGNED, Signature, type SigningKey } from './signatures.ts'
import { Count } from './values.ts'

/** Bytes of the first line. A certificate with its signature takes 600. */
const LONGEST_HEAD = 2048
const LINE_FEED = 0x0a
const HEAD_BOUNDS = { bytes: LONGEST_HEAD, depth: 2, values: 16 }

/** Who a message is for: a run's uid, and the client that asks. */
export interface Conversation {
  readonly uid: string
  readonly client: string
}

const RequestHeadSchema = v.strictObject({
  /** The client's public key. */
  key: PublicKey,
  /** One more with every request of an incarnation. */
  number: Count,
  /** The epoch of the coordinator that the client asks; 0 before it has an answer. */
  epoch: Count,
  signature: Signature,
})

const AnswerHeadSchema = v.strictObject({ certificate: CertificateSchema, signature: Signature })

/** A request whose signature is that of the key in it. Whether the key is the client's, the caller decides. */
export interface SignedRequest {
  readonly key: string
  readonly number: number
  readonly epoch: number
  readonly body: Uint8Array
}

/** Why an answer does not count. */
export type AnswerFault =
  | 'Unsigned' // it is no signed answer
  | CertificateFault
  | 'WrongSignature' // the certified key did not sign this body as the answer to this request

/** The bytes of a request. */
export function sealRequest(
  key: SigningKey,
  { uid, client }: Conversation,
  { number, epoch, body }: Omit<SignedRequest, 'key'>,
): Uint8Array {
  const signature = key.sign(SIGNED.request, [uid, client, epoch, number, body])
  return join({ key: key.publicKey, number, epoch, signature }, body)
}

/** Takes a request apart; undefined where it is unsigned, or its signature is not that of the key in it over this body. */
export function openRequest(message: Uint8Array, { uid, client }: Conversation): SignedRequest | undefined {
  const found = split(RequestHeadSchema, message)
  if (found === undefined) return undefined
  const { key, number, epoch, signature } = found.head
  const { body } = found
  if (!isSignedBy(key, signature, SIGNED.request, [uid, client, epoch, number, body])) return undefined
  return { key, number, epoch, body }
}

/** The bytes of the answer to `request`, the bytes of a request. */
export function sealAnswer(
  key: SigningKey,
  {
    certificate,
    client,
    request,
    body,
  }: {
    readonly certificate: CoordinatorCertificate
    readonly client: string
    readonly request: Uint8Array
    readonly body: Uint8Array
  },
): Uint8Array {
  const signature = key.sign(SIGNED.answer, [certificate.uid, client, sha256(request), body])
  return join({ certificate, signature }, body)
}

export type OpenedAnswer =
  | { readonly kind: 'Answer'; readonly certificate: CoordinatorCertificate; readonly body: Uint8Array }
  | { readonly kind: 'Ignored'; readonly fault: AnswerFault }

/** Takes the answer to `request` apart. `check`: certificateCheck of the run. */
export function openAnswer(
  message: Uint8Array,
  {
    uid,
    client,
    request,
    check,
  }: Conversation & {
    readonly request: Uint8Array
    readonly check: (certificate: CoordinatorCertificate) => CertificateFault | undefined
  },
): OpenedAnswer {
  const found = split(AnswerHeadSchema, message)
  if (found === undefined) return { kind: 'Ignored', fault: 'Unsigned' }
  const { certificate, signature } = found.head
  const fault = check(certificate)
  if (fault !== undefined) return { kind: 'Ignored', fault }
  const { body } = found
  const signed = isSignedBy(certificate.key, signature, SIGNED.answer, [uid, client, sha256(request), body])
  return signed ? { kind: 'Answer', certificate, body } : { kind: 'Ignored', fault: 'WrongSignature' }
}

function join(head: object, body: Uint8Array): Uint8Array {
  const line = encodeJson(head)
  const message = new Uint8Array(line.length + 1 + body.length)
  message.set(line)
  message[line.length] = LINE_FEED
  message.set(body, line.length + 1)
  return message
}

/** The head and the body; undefined for a message without a head in canonical form. The body is a view of the message. */
function split<S extends v.GenericSchema>(
  schema: S,
  message: Uint8Array,
): { readonly head: v.InferOutput<S>; readonly body: Uint8Array } | undefined {
  const end = message.subarray(0, LONGEST_HEAD + 1).indexOf(LINE_FEED)
  if (end < 0) return undefined
  try {
    const line = message.subarray(0, end)
    const read = v.safeParse(schema, decodeJson(line, HEAD_BOUNDS))
    if (!read.success || !isSameBytes(encodeJson(read.output), line)) return undefined
    return { head: read.output, body: message.subarray(end + 1) }
  } catch {
    return undefined
  }
}
