// Three sites in networks of their own, each with one way out to the entry of the real node: one by an HTTP proxy, one to an edge with the
// certificate of a private authority, one directly. A site is `fedsam site run` inside of its network, with a key that `fedsam site key` made.
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { type Ended, startFedsam } from '../cli/fedsam.ts'
import { startConnectProxy } from '../faults/connect-proxy.ts'
import { type Namespace, openNamespace } from '../given/namespaces.ts'
import { certificate } from '../given/websocket-server.ts'
import type { SiteEntry } from './site-entry.ts'
import { ENTRY_HOST, until } from './stage.ts'

/** Names a job to the processes of its trainer at a site, which can thus be found. */
const JOB_VARIABLE = 'SITE_JOB'

/** The fields of a site's file that say what it allows. */
export interface Allowed {
  readonly jobs: readonly object[]
  readonly datasets: object
  readonly trainers?: object
}

export interface Site {
  readonly name: string
  readonly publicKey: string
  readonly namespace: Namespace
  /** The targets that the proxy of its network was asked for, where it has one. */
  readonly asked: readonly string[]
  /** What the programs of the site printed, since the first start. */
  readonly lines: readonly string[]
  /** Writes the site's file. */
  allow(allowed: Allowed): Promise<void>
  /** Starts the agent. */
  start(): void
  /** Ends the agent with this signal; resolves to its end. */
  end(signal: NodeJS.Signals): Promise<Ended>
  /** SIGKILL to every process of the site at once; resolves when the agent is gone. */
  losePower(): Promise<void>
  /** `fedsam site check` of the site's file, with the way to the federation. */
  check(): Promise<Ended>
  /** SIGKILL to the trainer of this job (jobTrainer). Throws where the site runs none. */
  killTrainer(job: string): Promise<void>
  /**
   * Takes the line down once a connection is open, and cuts those that are; after the site has sent something in vain, the line is up
   * again. It waits first: a wire that goes down and up again and again carries nothing.
   */
  cutLine(): Promise<void>
  close(): Promise<void>
}

/** A trainer of the site for one job: `command` there, `jobCommand` in the job. */
export function jobTrainer(job: string, command: readonly string[], jobCommand: readonly string[]): object {
  return { command, jobCommand, env: { [JOB_VARIABLE]: job } }
}

/** The way of a network to the entry. */
interface Way {
  /** Fields of the site's file. */
  readonly fields: { readonly proxy?: string; readonly ca?: string }
  readonly env: Readonly<Record<string, string>>
  /** How many connections are open. */
  open(): number
  /** Ends the open connections, without a goodbye. */
  cut(): unknown
  /** The targets that the proxy of the network was asked for. */
  readonly asked: readonly string[]
  close(): Promise<void>
}

type LayWay = (namespace: Namespace, entry: SiteEntry) => Promise<Way>

/** For programs that trust the authority which every system knows. */
const SYSTEM_CA = { NODE_EXTRA_CA_CERTS: certificate('system-ca.pem') }

const byProxy: LayWay = async (namespace, { listen, port }) => {
  await listen('127.0.0.1', 'system')
  const host = `${ENTRY_HOST}:${port}`
  const proxy = await startConnectProxy({ address: namespace.address, targets: { [host]: port } })
  await namespace.allow(proxy.port)
  const { url, open, cut, asked, close } = proxy
  return { fields: { proxy: url }, env: SYSTEM_CA, open, cut, asked, close }
}

const directly =
  (files: 'system' | 'entry', { fields, env }: Pick<Way, 'fields' | 'env'>): LayWay =>
  async (namespace, { listen, port }) => {
    const { open, cut } = await listen(namespace.address, files)
    await namespace.allow(port, [ENTRY_HOST])
    return { fields, env, open, cut, asked: [], close: async () => {} }
  }

const WAYS = {
  proxied: byProxy,
  private: directly('entry', { fields: { ca: certificate('entry-ca.pem') }, env: {} }),
  direct: directly('system', { fields: {}, env: SYSTEM_CA }),
} as const satisfies Readonly<Record<string, LayWay>>

export type Sites = Readonly<Record<keyof typeof WAYS, Site>>

/** `trust`: the public key of the operator. The edges are the entry's to close. */
export async function openSites(entry: SiteEntry, trust: string): Promise<Sites> {
  const opened: [string, Site][] = []
  try {
    for (const [name, layWay] of Object.entries(WAYS))
      opened.push([name, await openSite(name, layWay, { entry, trust })])
  } catch (error) {
    await Promise.all(opened.map(([, site]) => site.close()))
    throw error
  }
  return Object.fromEntries(opened) as unknown as Sites
}

interface Federation {
  readonly entry: SiteEntry
  readonly trust: string
}

async function openSite(name: string, layWay: LayWay, { entry, trust }: Federation): Promise<Site> {
  const namespace = await openNamespace()
  const folder = await mkdtemp(join(tmpdir(), `fedsam-site-${name}-`))
  const way = await layWay(namespace, entry)
  const made = await startFedsam(folder, ['site', 'key', 'site.key'])
  assert.equal(made.code, 0, made.stderr)
  const lines: string[] = []
  let agent: { readonly child: ChildProcess; readonly ended: Promise<Ended> } | undefined
  const end = async (signal: NodeJS.Signals): Promise<Ended> => {
    assert.ok(agent, `${name} does not run`)
    const { child, ended } = agent
    agent = undefined
    child.kill(signal)
    return ended
  }
  return {
    ...{ name, namespace, lines, asked: way.asked, end },
    publicKey: made.stdout.trim(),
    async allow({ jobs, ...allowed }) {
      const federation = { name: 'node', trust: [trust], ...entry.addresses, ...way.fields, jobs }
      const file = { key: 'site.key', folder: 'state', federations: [federation], ...allowed }
      await writeFile(join(folder, 'site.yaml'), stringify(file))
    },
    start() {
      assert.ok(agent === undefined, `${name} runs already`)
      let child!: ChildProcess
      const ended = startFedsam(folder, ['site', 'run', 'site.yaml'], {
        env: way.env,
        inside: namespace.inside,
        onStart: (started) => {
          child = started
        },
        onLine: (line) => void lines.push(line),
      })
      agent = { child, ended }
    },
    async losePower() {
      for (const pid of await namespace.processes()) process.kill(pid, 'SIGKILL')
      await end('SIGKILL')
    },
    check: () =>
      startFedsam(folder, ['site', 'check', 'site.yaml', '--network'], {
        env: way.env,
        inside: namespace.inside,
      }),
    async killTrainer(job) {
      const pid = await trainerOf(namespace, job)
      assert.ok(pid, `${name} has no trainer of ${job}: ${lines.slice(-3).join('; ')}`)
      process.kill(pid, 'SIGKILL')
    },
    async cutLine() {
      await until(`${name} has an open connection`, async () => way.open(), Boolean)
      await namespace.cut()
      try {
        way.cut()
        const { port } = await namespace.sent()
        const sends = async (): Promise<boolean> => (await namespace.sent()).port > port
        await until(`${name} sends something into the cut line`, sends, Boolean)
      } finally {
        await namespace.restore()
      }
    },
    async close() {
      if (agent) await end('SIGKILL')
      await namespace.close()
      await way.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function trainerOf(namespace: Namespace, job: string): Promise<number | undefined> {
  for (const pid of await namespace.processes()) {
    const variables = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '')
    if (variables.split('\0').includes(`${JOB_VARIABLE}=${job}`)) return pid
  }
  return undefined
}
