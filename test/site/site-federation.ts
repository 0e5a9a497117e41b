// A federation with sites for tests: coordinator and ordinary workers in this process, sites as agents with trainers in child
// processes, over a real nats-server and a folder as the store.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startNats } from '#cli/run/servers/servers.ts'
import { type StaticUser, staticConfig } from '#gate/server-config.ts'
import { COORDINATOR } from '#protocol/identity.ts'
import { permissionsOf, sitePermissions } from '#protocol/permissions.ts'
import type { JobName } from '#protocol/sites.ts'
import { systemClock } from '#runtime/clock.ts'
import { writePrivate } from '#runtime/private-file.ts'
import { type AgentOptions, type RunEnd, runAgent } from '#site/agent/agent.ts'
import type { Decide } from '#site/agent/decision.ts'
import { connectNats } from '#transport/bus/nats/bus.ts'
import { createGrantedTransfers } from '#transport/grants/transfers.ts'
import { openFilesystemStore } from '#transport/store/filesystem/store.ts'
import {
  type Federation,
  type FederationOptions,
  openFederation,
  QUADRATIC,
} from '../federation/federation.ts'
import { keyNamed, TRUST } from '../given/signed.ts'
import { startedEnvironment } from '../given/started.ts'

const TRAINER = fileURLToPath(new URL('../trainers/quadratic-main.ts', import.meta.url))
const PASSWORD = 'for-this-test'
/** The job of the federation, as its certificate names it. */
export const JOB: JobName = { namespace: QUADRATIC.namespace, name: QUADRATIC.name }
export const SIZE = 1000

/** Allows every job, with the quadratic trainer. */
export const allow: Decide = async ({ client }) => ({
  kind: 'Allowed',
  program: ({ scratch }) => ({
    command: [process.execPath, TRAINER, client, String(SIZE)],
    env: startedEnvironment(),
    cwd: scratch,
  }),
  admit: async (task) => task,
})

/** A running agent. */
export interface Agent {
  readonly lines: readonly string[]
  readonly ends: readonly RunEnd[]
  /** Resolves when it has ended. */
  readonly ended: Promise<void>
  stop(): Promise<void>
}

export interface SiteFederation {
  readonly federation: Federation
  /** Starts the agent of the site whose client has this name. */
  startSite(client: string, options?: Partial<AgentOptions>): Agent
  close(): Promise<void>
}

/** Sets up the parts; nothing runs yet. `sites`: the clients that are sites; every client of `options` else is an ordinary worker. */
export async function openSiteFederation(
  sites: readonly string[],
  options: FederationOptions,
): Promise<SiteFederation> {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-site-test-'))
  const place = { namespace: JOB.namespace, uid: QUADRATIC.uid }
  const site = (client: string): StaticUser => ({
    user: `site-${client}`,
    password: PASSWORD,
    permissions: sitePermissions(keyNamed(client).publicKey, [{ place, client }]),
  })
  const others = options.clients.filter((client) => !sites.includes(client))
  const users: StaticUser[] = [
    { user: 'coordinator', password: PASSWORD, permissions: permissionsOf(place, COORDINATOR) },
    ...others.map((client) => ({
      user: client,
      password: PASSWORD,
      permissions: permissionsOf(place, { role: 'client', client }),
    })),
    ...sites.map(site),
  ]
  const nats = await startNats({ folder: join(folder, 'nats'), config: staticConfig(users) })
  const secretFile = join(folder, 'password')
  await writePrivate(secretFile, PASSWORD)
  const connect = (user: string) => connectNats({ url: nats.url, credentials: { user, secretFile } })
  const store = await openFilesystemStore({ folder: join(folder, 'store') })
  const transfers = createGrantedTransfers()
  const bus = await connect('coordinator')
  const workerBus = await connect(others[0]!)
  const federation = await openFederation({ ...options, store, transfers, bus, workerBus, size: SIZE })
  const agents: Agent[] = []
  return {
    federation,
    startSite(client, own = {}) {
      const stop = new AbortController()
      const lines: string[] = []
      const ends: RunEnd[] = []
      const ended = runAgent({
        connect: async (onConnected) => {
          const connected = await connect(`site-${client}`)
          setImmediate(onConnected)
          return connected
        },
        key: keyNamed(client),
        trust: TRUST,
        jobs: [JOB],
        decide: allow,
        release: null,
        folder: join(folder, client),
        noProgressSeconds: 600,
        transfers,
        clock: systemClock(),
        wallTime: () => Date.now(),
        log: (line) => void lines.push(line),
        onEnded: (end) => void ends.push(end),
        signal: stop.signal,
        ...own,
      })
      const agent = {
        lines,
        ends,
        ended,
        async stop() {
          stop.abort()
          await ended
        },
      }
      agents.push(agent)
      return agent
    },
    async close() {
      await Promise.allSettled(agents.map((agent) => agent.stop()))
      await federation.close()
      await workerBus.close()
      await store.close()
      await nats.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
