// Answers nats-server's authorization callout: reads the request, asks the authenticators in turn, and signs the answer. Guarantees:
// every request is answered; an answer grants exactly the permissions that the authenticator returned; a request of any bytes costs
// bounded memory. Format: https://docs.nats.io, "Auth Callout". Requests come over the gate's own account, where nobody else may publish.
import * as v from 'valibot'
import { decodeJson } from '#protocol/canonical.ts'
import type { JsonBounds } from '#protocol/json-scan.ts'
import type { NatsKey } from '#protocol/nkeys.ts'
import type { Admitted, Asking, Authenticator, Refused } from './authenticators/authenticator.ts'
import { MEMBERS_ACCOUNT } from './server-config.ts'

export interface CalloutOptions {
  readonly issuer: NatsKey
  /** Asked in this order; the first that knows the user decides. */
  readonly authenticators: readonly Authenticator[]
  /** Receives every verdict, with the address of the connection. */
  readonly onVerdict: (verdict: Admitted | Refused, host: string) => void
}

const Text = v.optional(v.string(), '')

/** The fields of the request that the gate reads. */
const RequestSchema = v.object({
  /** Seconds since 1970 on the server's clock. */
  iat: v.pipe(v.number(), v.safeInteger()),
  nats: v.object({
    server_id: v.object({ id: v.string() }),
    user_nkey: v.string(),
    client_info: v.object({ host: Text, type: Text, nonce: Text }),
    connect_opts: v.object({ user: Text, pass: Text, nkey: Text, sig: Text }),
  }),
})
type CalloutRequest = v.InferOutput<typeof RequestSchema>

/** The longest line that a client may send to connect is 4 KiB; certificates of a client with mutual TLS add some. */
const BOUNDS: JsonBounds = { bytes: 64 * 1024, depth: 12, values: 2000 }

/** The answer to a request: a JWT, as bytes. */
export function createCallout({
  issuer,
  authenticators,
  onVerdict,
}: CalloutOptions): (body: Uint8Array) => Promise<Uint8Array> {
  const signed = signer(issuer)
  return async (body) => {
    const request = readRequest(body)
    if (request === undefined) {
      onVerdict({ kind: 'Refused', reason: 'BadRequest' }, '')
      return new Uint8Array() // the server cannot match an answer without its own names
    }
    const { iat, nats } = request
    const verdict = await firstVerdict(authenticators, askingOf(request))
    onVerdict(verdict, nats.client_info.host)
    const result =
      verdict.kind === 'Admitted' ? { jwt: signed(userClaims(request, verdict)) } : { error: verdict.reason }
    return Buffer.from(
      signed({
        iat,
        sub: nats.user_nkey,
        aud: nats.server_id.id,
        nats: { type: 'authorization_response', version: 2, ...result },
      }),
    )
  }
}

async function firstVerdict(
  authenticators: readonly Authenticator[],
  asking: Asking,
): Promise<Admitted | Refused> {
  for (const authenticator of authenticators) {
    const verdict = await authenticator(asking)
    if (verdict !== undefined) return verdict
  }
  return { kind: 'Refused', reason: 'UnknownUser' }
}

function readRequest(body: Uint8Array): CalloutRequest | undefined {
  const [, payload] = Buffer.from(body).toString('latin1').split('.', 2)
  if (payload === undefined) return undefined
  try {
    const read = v.safeParse(RequestSchema, decodeJson(Buffer.from(payload, 'base64url'), BOUNDS))
    return read.success ? read.output : undefined
  } catch {
    return undefined
  }
}

function askingOf({ nats: { client_info: info, connect_opts: options } }: CalloutRequest): Asking {
  return {
    user: options.user,
    password: options.pass,
    nkey: options.nkey,
    signature: options.sig,
    nonce: info.nonce,
    type: info.type === 'websocket' ? 'WEBSOCKET' : 'STANDARD',
  }
}

/** The claims of an admitted user. Times are the server's: a gate whose clock is a minute late would admit nobody. */
function userClaims({ iat, nats }: CalloutRequest, verdict: Admitted): object {
  const { publish, subscribe } = verdict.permissions
  return {
    iat,
    exp: iat + verdict.seconds,
    sub: nats.user_nkey,
    aud: MEMBERS_ACCOUNT,
    name: verdict.name,
    nats: {
      ...{ type: 'user', version: 2, subs: -1, data: -1, payload: -1 },
      pub: only(publish),
      sub: only(subscribe),
      allowed_connection_types: verdict.connections,
    },
  }
}

/** NATS takes an empty list for "everything". */
function only(subjects: readonly string[]): object {
  return subjects.length === 0 ? { deny: ['>'] } : { allow: subjects }
}

const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
const HEADER = part({ typ: 'JWT', alg: 'ed25519-nkey' })

/** A function that makes a JWT of claims, signed by the issuer. */
function signer(issuer: NatsKey): (claims: object) => string {
  return (claims) => {
    const text = `${HEADER}.${part({ iss: issuer.publicKey, ...claims })}`
    return `${text}.${Buffer.from(issuer.sign(Buffer.from(text))).toString('base64url')}`
  }
}
