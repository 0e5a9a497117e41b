// A job with one site and one ordinary worker, for tests that start `fedsam site` as its users do: a file, a key, one TLS host in front of
// the gate and of an S3 server.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { COORDINATOR } from '#protocol/identity.ts'
import { createGrantedTransfers } from '#transport/grants/transfers.ts'
import { type Ended, ROOT } from '../cli/fedsam.ts'
import type { ConnectProxy } from '../faults/connect-proxy.ts'
import { type FederationOptions, openFederation, QUADRATIC } from '../federation/federation.ts'
import { jobOf, type openGate } from '../given/gate.ts'
import { keyNamed, seedNamed, TRUST } from '../given/signed.ts'
import type { TlsEdge } from '../given/tls-edge.ts'
import { certificate } from '../given/websocket-server.ts'
import { type EdgeOptions, openSiteEntry } from './entry.ts'

export const SITE = 'hospital-a'
const SIZE = 1000
export const OPTIONS: FederationOptions = {
  clients: [SITE, 'pod'],
  rounds: 2,
  size: SIZE,
  pace: { holdSeconds: 1, silenceSeconds: 100_000 },
}
const TRAINER = { type: 'Command', config: {}, command: { command: ['train'], args: [], env: [] } }

/** A site's file in a new folder, with its key. */
export async function siteFolder(host: string, proxy?: string, size = SIZE): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-site-command-'))
  await writeFile(join(folder, 'site.key'), seedNamed(SITE), { mode: 0o600 })
  const command = [process.execPath, `${ROOT}test/trainers/quadratic-main.ts`, SITE, String(size)]
  await writeFile(
    join(folder, 'site.yaml'),
    `key: site.key
folder: state
federations:
  - name: heart
    trust: [${TRUST.join()}]
    bus: wss://${host}/bus
    store: https://${host}
    ca: ${certificate('ca.pem')}${proxy === undefined ? '' : `\n    proxy: ${proxy}`}
    jobs: [{job: team/quadratic, dataset: table, trainer: own}]
datasets: {table: {path: ., limits: {rounds: 2, updates: 10}}}
trainers: {own: {command: ${JSON.stringify(command)}, jobCommand: [train]}}
metrics: {names: [none]}
`,
  )
  return folder
}

type JobOptions = Partial<FederationOptions> &
  EdgeOptions &
  Pick<NonNullable<Parameters<typeof openGate>[0]>, 'siteSeconds'>

/** Everything that a site's job needs but the site; `run` resolves when the run is complete, and `start` starts the other worker alone. */
export async function openJob(
  t: TestContext,
  proxyOf?: (edge: TlsEdge) => Promise<ConnectProxy>,
  { mostBody, redirectTo, siteSeconds = { least: 2, most: 3 }, ...changes }: JobOptions = {},
) {
  const { uid } = QUADRATIC
  const job = jobOf('quadratic', uid, ['pod'], { [keyNamed(SITE).publicKey]: SITE })
  const { gate, edge, store } = await openSiteEntry(t, {
    jobs: [job],
    siteSeconds,
    ...(mostBody === undefined ? {} : { mostBody }),
    ...(redirectTo === undefined ? {} : { redirectTo }),
  })
  const federation = await openFederation({
    ...OPTIONS,
    ...changes,
    store,
    transfers: createGrantedTransfers(),
    bus: await gate.connect(uid, COORDINATOR),
    workerBus: await gate.connect(uid, { role: 'client', client: 'pod' }),
    fixed: {
      ...changes.fixed,
      namespace: 'team',
      spec: { trainer: TRAINER, strategy: { minFitClients: 2 } },
    },
  })
  t.after(() => federation.close())
  const { publicKey } = keyNamed(SITE)
  federation.live.members = federation.live.members.map((one) =>
    one.name === SITE ? { ...one, publicKey } : one,
  )
  const proxy = await proxyOf?.(edge)
  t.after(() => proxy?.close())
  const folder = await siteFolder(edge.host, proxy?.url, changes.size)
  t.after(() => rm(folder, { recursive: true }))

  const start = (): void => void federation.work('pod')
  const run = async (joined: Promise<Ended>): Promise<Ended> => {
    start()
    const early = joined.then((ended) => Promise.reject(new Error(JSON.stringify(ended))))
    early.catch(() => {})
    await Promise.race([federation.coordinate(), early])
    return joined
  }
  return { federation, gate, edge, proxy, folder, start, run }
}

/** The arguments of the command that takes part in the job. */
export const JOIN = ['site', 'join', 'site.yaml', 'team/quadratic']
