// How a connection shows who it is. Files are read again at every connect, because the kubelet and administrators replace them.
// Guarantees: a secret that is missing or too long is a clear error before the first connection; a later fault is reported, and the
// connection keeps trying with the last secret that it could read.
import { readFileSync } from 'node:fs'
import { type ConnectionOptions, credsAuthenticator, nkeyAuthenticator } from 'nats'
import { BUS } from '#protocol/environment.ts'
import { FedsamError } from '#protocol/errors.ts'

export type NatsCredentials =
  | { readonly credsFile: string }
  | { readonly user: string; readonly password: string }
  /** The file holds a token or a password. */
  | { readonly user: string; readonly secretFile: string }
  | { readonly token: string }
  /** The seed of an nkey: "SU...". */
  | { readonly nkeySeed: string }

/**
 * Bytes of the longest secret. nats-server cuts a connection whose first line is above 4,096 bytes, without an answer; the user's name,
 * the connection's name and the client's version take up to 450 of them.
 */
export const LONGEST_SECRET = 3600

/** Throws FedsamError MessagingUnreachable where the secret cannot be used. */
export function authentication(
  credentials: NatsCredentials,
  onError: (error: unknown) => void,
): ConnectionOptions {
  if ('credsFile' in credentials)
    return { authenticator: credsAuthenticator(() => new Uint8Array(readFileSync(credentials.credsFile))) }
  if ('token' in credentials) return { token: credentials.token }
  if ('nkeySeed' in credentials)
    return { authenticator: nkeyAuthenticator(new TextEncoder().encode(credentials.nkeySeed)) }
  if ('password' in credentials) return { user: credentials.user, pass: credentials.password }
  const { user, secretFile } = credentials
  let last = readSecret(secretFile)
  return {
    authenticator: () => {
      try {
        last = readSecret(secretFile)
      } catch (error) {
        onError(error) // after an error thrown here the library would never connect again
      }
      return { user, pass: last }
    },
  }
}

function readSecret(file: string): string {
  const of = `the file ${file} (${BUS.tokenFile.name}) with the secret for the NATS server`
  let secret: string
  try {
    secret = readFileSync(file, 'utf8').trim()
  } catch (cause) {
    throw new FedsamError('MessagingUnreachable', `${of} cannot be read: ${(cause as Error).message}`, {
      remedy: 'mount the projected service-account token there; docs/programs.md describes it',
      cause,
    })
  }
  if (Buffer.byteLength(secret) <= LONGEST_SECRET) return secret
  throw new FedsamError(
    'MessagingUnreachable',
    `${of} has ${Buffer.byteLength(secret)} bytes; NATS accepts at most ${LONGEST_SECRET}`,
    { remedy: 'remove claims from the tokens of the cluster, or use messaging.nats.credentialsSecretName' },
  )
}
