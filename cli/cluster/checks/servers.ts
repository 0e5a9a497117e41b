// Checks from this machine whether a job's store keeps its promises and its bus answers, with the caller's credentials. For a
// server that only pods reach, the remedy is a port-forward.

import { FedsamError } from '#protocol/errors.ts'
import type { CompleteFederatedJobSpec } from '#protocol/generated/federatedjob.ts'
import { connectNats } from '#transport/bus/nats/bus.ts'
import { checkGuarantees } from '#transport/store/check-store.ts'
import type { S3Options } from '#transport/store/s3/client.ts'
import { openS3Store } from '#transport/store/s3/store.ts'
import { endpointHint, withHint } from '../source.ts'
import { type Finding, ok, problem, unseen } from './finding.ts'

/** Answers of a NATS server to a client without credentials or certificate: the server runs. */
const ASKS_WHO = ['AUTHORIZATION_VIOLATION', 'AUTHENTICATION_EXPIRED', 'PERMISSIONS_VIOLATION']

/**
 * Writes, reads and deletes one small object below the job's prefix. Throws the store's error, with a hint how to reach the
 * store.
 */
export async function checkStore(options: S3Options): Promise<Finding> {
  const store = openS3Store(options)
  try {
    await checkGuarantees(store)
    return ok('store', `${store.description} answers, and refuses to overwrite an object`)
  } catch (error) {
    throw withHint(error, endpointHint(options.endpoint))
  } finally {
    await store.close()
  }
}

/** Connects to the bus. Only the pods can check the credentials, because this machine does not have them. */
export async function checkBus(spec: CompleteFederatedJobSpec, named?: string): Promise<Finding> {
  const nats = spec.messaging?.nats
  if (!nats) {
    return problem('bus', 'the job names no NATS server', 'set spec.messaging.nats.url')
  }
  const url = named ?? nats.url
  try {
    const bus = await connectNats({ url, name: 'fedsam-doctor', connectTimeoutMs: 3000 })
    await bus.close()
    return ok('bus', `${url} answers`)
  } catch (error) {
    if (!(error instanceof FedsamError)) throw error
    return unreachedBus(error, url, nats)
  }
}

function unreachedBus(
  error: FedsamError,
  url: string,
  { credentialsSecretName, tlsSecretName }: { credentialsSecretName: string; tlsSecretName: string },
): Finding {
  const { code } = (error.cause ?? {}) as { code?: string }
  if (ASKS_WHO.includes(code ?? '')) {
    if (credentialsSecretName)
      return ok(
        'bus',
        `${url} answers and needs credentials, which the pods take from Secret ${credentialsSecretName}`,
      )
    return unseen(
      'bus',
      `${url} answers and needs credentials; the job names none, so its pods show their tokens, which a gate must verify`,
      'without a gate, name a Secret with nats.creds in spec.messaging.nats.credentialsSecretName',
    )
  }
  if (tlsSecretName && /CERT|TLS|SSL|SIGNED|VERIFY/.test(code ?? '')) {
    return unseen('bus', `${url} answers with TLS, for which the pods use Secret ${tlsSecretName}`)
  }
  return problem('bus', error.message, busHint(url) ?? error.remedy)
}

/** The remedy for a server whose name only pods can resolve. */
function busHint(url: string): string | undefined {
  const first = url.split(',')[0]!
  if (!URL.canParse(first)) return undefined
  const parsed = new URL(first)
  return endpointHint(`http://${parsed.hostname}:${parsed.port || '4222'}`)?.replace(
    /--endpoint http:/,
    `--nats ${parsed.protocol}`,
  )
}
