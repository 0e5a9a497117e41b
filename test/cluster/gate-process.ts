// gate/main.ts as a program, with an account of a real API server that has the rights of the chart, and a nats-server that
// gate/config/main.ts configured.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort, type NatsServer, startNats } from '#cli/run/servers/servers.ts'
import { render } from '../chart/helm.ts'
import { until } from '../until.ts'
import type { Cluster } from './cluster.ts'
import { accountToken } from './coordinator-job.ts'

const GATE = fileURLToPath(new URL('../../gate/main.ts', import.meta.url))
const CONFIG = fileURLToPath(new URL('../../gate/config/main.ts', import.meta.url))
const PLACE = 'default'
const ACCOUNT = 'gate'

export interface GatedNats {
  readonly nats: NatsServer
  /** Starts a gate; resolves when it serves. */
  startGate(env?: Readonly<Record<string, string>>): Promise<RunningGate>
}

export interface RunningGate {
  readonly child: ChildProcess
  readonly ended: Promise<unknown>
  output(): string
  /** The text of its metrics. */
  metrics(): Promise<string>
}

/** A nats-server that asks the gate, and no gate yet. */
export async function startGatedNats(cluster: Cluster, folder: string): Promise<GatedNats> {
  const seeds = join(folder, 'seeds')
  const account = join(folder, 'gate-account')
  const config = join(folder, 'gated-nats.conf')
  for (const name of [seeds, account]) await mkdir(name, { recursive: true })
  for (const name of ['issuer', 'user']) await writeFile(join(seeds, name), randomBytes(32))
  const { PATH = '' } = process.env
  const written = { PATH, FEDSAM_GATE_SEEDS: seeds, FEDSAM_GATE_NATS_CONFIG: config }
  execFileSync(process.execPath, [CONFIG], { env: written })
  // The server's port is the test's choice.
  const text = (await readFile(config, 'utf8')).replace(/^port: .*\n/, '')
  const nats = await startNats({ folder: join(folder, 'nats'), config: text })
  await giveRights(cluster)
  await writeFile(join(account, 'token'), await accountToken(cluster.server, PLACE, ACCOUNT))
  await writeFile(join(account, 'ca.crt'), cluster.server.ca)
  const { hostname, port } = new URL(cluster.server.url)
  const gateEnv = {
    PATH,
    KUBERNETES_SERVICE_HOST: hostname,
    KUBERNETES_SERVICE_PORT: port,
    FEDSAM_ACCOUNT_FOLDER: account,
    FEDSAM_GATE_SEEDS: seeds,
    FEDSAM_NATS_URL: nats.url,
    FEDSAM_END_WITH_PARENT: 'true',
    FEDSAM_TERMINATION_LOG: join(folder, 'gate-termination'),
  }
  return {
    nats,
    async startGate(env = {}) {
      const metricsPort = String(await freePort())
      const child = spawn(process.execPath, [GATE], {
        env: { ...gateEnv, FEDSAM_METRICS_PORT: metricsPort, ...env },
      })
      let text = ''
      for (const stream of [child.stdout, child.stderr]) {
        stream.on('data', (chunk) => {
          text += chunk
        })
      }
      const at = (path: string) => fetch(`http://127.0.0.1:${metricsPort}${path}`)
      await until('the gate serves', async () => (await at('/readyz')).ok, { instead: () => text })
      return {
        child,
        ended: once(child, 'exit'),
        output: () => text,
        metrics: async () => (await at('/metrics')).text(),
      }
    },
  }
}

/** The rights that the chart gives the gate. */
async function giveRights({ server }: Cluster): Promise<void> {
  const name = ACCOUNT
  const subjects = [{ kind: 'ServiceAccount', name, namespace: PLACE }]
  const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name }
  const rbac = 'rbac.authorization.k8s.io/v1'
  const chart = await render('--set', 'gate.enabled=true')
  const { rules } = chart.find(
    ({ kind, metadata }) => kind === 'ClusterRole' && metadata.name === 'fedsam-gate',
  )!
  const items = [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace: PLACE } },
    { apiVersion: rbac, kind: 'ClusterRole', metadata: { name }, rules },
    { apiVersion: rbac, kind: 'ClusterRoleBinding', metadata: { name }, roleRef, subjects },
  ]
  await server.kubectl(['apply', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items }))
}
