// A federation with sites for tests: coordinator and ordinary workers in this process, sites as agents with trainers in child
// processes. The bus is a real nats-server with the gate; sites come over a WebSocket. The store is a folder.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { COORDINATOR } from '#protocol/identity.ts'
import { natsKey } from '#protocol/nkeys.ts'
import { encodeJobList, type JobName, SITE_USER } from '#protocol/sites.ts'
import { systemClock } from '#runtime/clock.ts'
import { type AgentOptions, type RunEnd, runAgent } from '#site/agent/agent.ts'
import type { Decide } from '#site/agent/decision.ts'
import { connectWebSocket } from '#transport/bus/websocket/bus.ts'
import { createGrantedTransfers } from '#transport/grants/transfers.ts'
import { openFilesystemStore } from '#transport/store/filesystem/store.ts'
import {
  type Federation,
  type FederationOptions,
  openFederation,
  QUADRATIC,
} from '../federation/federation.ts'
import { type GivenGate, jobOf, openGate } from '../given/gate.ts'
import { keyNamed, seedNamed, TRUST } from '../given/signed.ts'
import { startedEnvironment } from '../given/started.ts'

const TRAINER = fileURLToPath(new URL('../trainers/quadratic-main.ts', import.meta.url))
/** The job of the federation, as its certificate names it. */
export const JOB: JobName = { namespace: 'team', name: QUADRATIC.name }
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
  readonly gate: GivenGate
  /** Starts the agent of the site whose client has this name. `listed`: what it names to the gate, if not its jobs. */
  startSite(client: string, options?: Partial<AgentOptions> & { readonly listed?: readonly JobName[] }): Agent
  close(): Promise<void>
}

/** Sets up the parts; nothing runs yet. `sites`: the clients that are sites; every client of `options` else is an ordinary worker. */
export async function openSiteFederation(
  sites: readonly string[],
  options: FederationOptions,
): Promise<SiteFederation> {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-site-test-'))
  const others = options.clients.filter((client) => !sites.includes(client))
  const siteKeys = Object.fromEntries(sites.map((client) => [keyNamed(client).publicKey, client]))
  const { uid } = QUADRATIC
  const job = jobOf(JOB.name, uid, others, siteKeys)
  const gate = await openGate({ jobs: [job], siteSeconds: { least: 2, most: 3 } })
  await gate.startGate()
  const store = await openFilesystemStore({ folder: join(folder, 'store') })
  const transfers = createGrantedTransfers()
  const bus = await gate.connect(uid, COORDINATOR)
  const workerBus = await gate.connect(uid, { role: 'client', client: others[0]! })
  const fixed = { ...options.fixed, namespace: JOB.namespace }
  const federation = await openFederation({ ...options, fixed, store, transfers, bus, workerBus, size: SIZE })
  const agents: Agent[] = []
  return {
    federation,
    gate,
    startSite(client, { listed, ...own } = {}) {
      const stop = new AbortController()
      const lines: string[] = []
      const ends: RunEnd[] = []
      const ended = runAgent({
        connect: (line) =>
          connectWebSocket({
            url: `ws://127.0.0.1:${gate.websocketPort}/bus`,
            credentials: {
              user: SITE_USER,
              nkeySeed: natsKey('user', seedNamed(client)).seed,
              password: () => encodeJobList(listed ?? own.jobs ?? [JOB]),
            },
            ...line,
            signal: stop.signal,
            onError: () => {},
          }),
        key: keyNamed(client),
        trust: TRUST,
        jobs: [JOB],
        decide: allow,
        onUnlisted: async () => {},
        onOtherVersion: async () => {},
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
      await gate.close()
      await store.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
