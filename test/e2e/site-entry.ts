// The entry for sites of the real node: the edge, which ends TLS for one host, in front of the nats-server and the S3 server of the chart's
// quickstart, and the fields of a job by which its sites come there. The edge verifies both servers, as an ingress controller does.
// It listens where the networks of sites reach this machine, with the certificate that each of them shall see.
import { readFile } from 'node:fs/promises'
import { freePort } from '#cli/run/servers/servers.ts'
import { startTlsEdge, type TlsEdge } from '../given/tls-edge.ts'
import { PLACES } from './jobs.ts'
import { ENTRY_HOST, type Stage, SYSTEM, TEAM } from './stage.ts'

export interface SiteEntry {
  readonly port: number
  /** The fields `bus` and `store` of a site's file. */
  readonly addresses: { readonly bus: string; readonly store: string }
  /** The fields `storage` and `messaging` of a job with sites. */
  readonly places: object
  /**
   * Serves the host at this address of this machine. The certificate is by the authority of test/tls that programs get in
   * NODE_EXTRA_CA_CERTS ("system"), or by a private one ("entry").
   */
  listen(address: string, files: 'system' | 'entry'): Promise<TlsEdge>
  close(): Promise<void>
}

export async function openSiteEntry({ node, credentials }: Stage): Promise<SiteEntry> {
  const ca = await readFile(credentials.NODE_EXTRA_CA_CERTS!, 'utf8')
  const originOf = async (service: string, port: number): Promise<string> => {
    const address = ['get', 'service', service, '-o', 'jsonpath={.spec.clusterIP}']
    return `https://${await node.kubectl(['-n', SYSTEM, ...address])}:${port}`
  }
  const [bus, store] = ['fedsam-nats', `fedsam-s3-${TEAM}`]
  const nameOf = (service: string): string => `${service}.${SYSTEM}.svc`
  const servers = {
    bus: await originOf(bus, 8443),
    store: await originOf(store, 7070),
    behind: { ca, bus: nameOf(bus), store: nameOf(store) },
  }
  const port = await freePort()
  const host = `${ENTRY_HOST}:${port}`
  const addresses = { bus: `wss://${host}/bus`, store: `https://${host}` }
  const { storage, messaging } = PLACES
  const edges: TlsEdge[] = []
  return {
    port,
    addresses,
    places: {
      storage: { s3: { ...storage.s3, publicEndpoint: addresses.store } },
      messaging: { nats: { ...messaging.nats, publicUrl: addresses.bus } },
    },
    async listen(address, files) {
      const edge = await startTlsEdge({ ...servers, files, at: { address, port, name: ENTRY_HOST } })
      edges.push(edge)
      return edge
    },
    async close() {
      await Promise.all(edges.map((edge) => edge.close()))
    },
  }
}
