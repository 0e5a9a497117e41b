// Connections of a job without TLS. A job may have them only with `allowInsecure`; the schema refuses any other new job. A job that was
// stored before that rule keeps its addresses, and counts as one that allows them. Pure.
import type { CompleteFederatedJobSpec } from './generated/federatedjob.ts'

type Addresses = Pick<CompleteFederatedJobSpec, 'allowInsecure' | 'storage' | 'messaging'>

/** The addresses in the spec that do not demand TLS. */
export function plainAddresses({ storage, messaging }: Omit<Addresses, 'allowInsecure'>): string[] {
  const endpoint = storage?.s3.endpoint ?? ''
  const { url = '', tlsSecretName = '' } = messaging?.nats ?? {}
  // As in transport/bus/nats/bus.ts: an authority or one tls:// demands TLS of every server.
  const isPlainBus = url !== '' && tlsSecretName === '' && !/(^|,)tls:\/\//.test(url)
  return [...(endpoint.startsWith('http://') ? [endpoint] : []), ...(isPlainBus ? [url] : [])]
}

/** Whether the programs of the job refuse connections without TLS, also to addresses that a Secret names. */
export function requiresTls(spec: Addresses): boolean {
  return !spec.allowInsecure && plainAddresses(spec).length === 0
}
