// What sites need of a federation, for tests that join by the command line: the gate with its nats-server, an S3 server, and one TLS host
// in front of both.
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { startS3 } from '#cli/run/servers/servers.ts'
import { openS3Store } from '#transport/s3.ts'
import { type GivenGate, openGate } from '../given/gate.ts'
import { startTlsEdge, type TlsEdge, type TlsEdgeOptions } from '../given/tls-edge.ts'

export interface SiteEntry {
  readonly gate: GivenGate
  readonly edge: TlsEdge
  /** Signs grants of sites for the TLS host. */
  readonly store: ReturnType<typeof openS3Store>
  /** Another run's part of the bucket. */
  openStore(prefix: string): ReturnType<typeof openS3Store>
}

/** What a test varies of the TLS host. */
export type EdgeOptions = Pick<TlsEdgeOptions, 'mostBody' | 'redirectTo'>

/** Open until the test has ended. */
export async function openSiteEntry(
  t: TestContext,
  { mostBody, redirectTo, ...options }: Parameters<typeof openGate>[0] & EdgeOptions,
): Promise<SiteEntry> {
  const gate = await openGate(options)
  t.after(() => gate.close())
  await gate.startGate()
  const s3 = await startS3({ folder: join(gate.folder, 's3'), bucket: 'record' })
  t.after(() => s3.stop())
  const edge = await startTlsEdge({
    store: s3.endpoint,
    bus: `http://127.0.0.1:${gate.websocketPort}`,
    ...(mostBody === undefined ? {} : { mostBody }),
    ...(redirectTo === undefined ? {} : { redirectTo }),
  })
  t.after(() => edge.close())
  const openStore = (prefix: string) => {
    const store = openS3Store({
      bucket: s3.bucket,
      prefix,
      endpoint: s3.endpoint,
      publicEndpoint: edge.origin,
      credentials: { accessKeyId: s3.accessKey, secretAccessKey: s3.secretKey },
      region: 'us-east-1',
    })
    t.after(() => store.close())
    return store
  }
  return { gate, edge, store: openStore('run'), openStore }
}
