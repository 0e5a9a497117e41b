// Whether a job's store keeps its promises and its bus answers, asked from here with the caller's credentials. What only pods reach
// is a problem of the way, and says how to make one.

import { FedsamError } from '#protocol/errors.ts'
import type { CompleteFederatedJobSpec } from '#protocol/generated/federatedjob.ts'
import { connectNats } from '#transport/bus/nats/bus.ts'
import { checkGuarantees } from '#transport/store/check-store.ts'
import type { S3Options } from '#transport/store/s3/client.ts'
import { openS3Store } from '#transport/store/s3/store.ts'
import { endpointHint, withHint } from '../source.ts'
import { type Finding, ok, problem, unseen } from './finding.ts'

/** What the NATS server says to who brings no credentials, or no certificate: it is there. */
const ASKS_WHO = ['AUTHORIZATION_VIOLATION', 'AUTHENTICATION_EXPIRED', 'PERMISSIONS_VIOLATION']

/** Writes, reads and deletes one small object below the job's prefix. Throws what the store throws, with the way to it. */
export async function checkStore(options: S3Options): Promise<Finding> {
  const store = openS3Store(options)
  try {
    await checkGuarantees(store)
    return ok('store', `${store.description} answers, and writes only what is absent`)
  } catch (error) {
    throw withHint(error, endpointHint(options.endpoint))
  } finally {
    await store.close()
  }
}

/** Connects; whether credentials fit only who has them can see. */
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
        `${url} answers, and asks for credentials: the pods bring Secret ${credentialsSecretName}`,
      )
    return problem(
      'bus',
      `${url} asks for credentials, and the job has none`,
      'name a Secret with nats.creds in spec.messaging.nats.credentialsSecretName',
    )
  }
  if (tlsSecretName && /CERT|TLS|SSL|SIGNED|VERIFY/.test(code ?? '')) {
    return unseen('bus', `${url} answers with TLS, for which the pods bring Secret ${tlsSecretName}`)
  }
  return problem('bus', error.message, busHint(url) ?? error.remedy)
}

/** For a server whose name only pods know. */
function busHint(url: string): string | undefined {
  const first = url.split(',')[0]!
  if (!URL.canParse(first)) return undefined
  const parsed = new URL(first)
  return endpointHint(`http://${parsed.hostname}:${parsed.port || '4222'}`)?.replace(
    /--endpoint http:/,
    `--nats ${parsed.protocol}`,
  )
}
