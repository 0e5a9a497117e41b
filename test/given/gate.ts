// A nats-server with the configuration of the chart, and the gate's real code in front of it, in this process. The test has the keys
// that sign tokens, as an API server has them, and decides which jobs exist.
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { freePort, type NatsServer, startNats } from '#cli/run/servers/servers.ts'
import type { Admitted, Authenticator, Refused } from '#gate/authenticators/authenticator.ts'
import { podTokens } from '#gate/authenticators/pod-tokens.ts'
import { sites } from '#gate/authenticators/sites.ts'
import { createCallout } from '#gate/callout.ts'
import type { Job } from '#gate/job-index.ts'
import { CALLOUT_SUBJECT, calloutConfig } from '#gate/server-config.ts'
import { audienceOf, type Member, memberName, subjectOf } from '#protocol/identity.ts'
import { isOwnInbox } from '#protocol/messages.ts'
import { natsKey } from '#protocol/nkeys.ts'
import { connectNats, type NatsOptions } from '#transport/bus/nats/bus.ts'
import type { MessageBus } from '#transport/ports.ts'

export const CLIENT_A: Member = { role: 'client', client: 'a' }
export const CLIENT_B: Member = { role: 'client', client: 'b' }

/** A job with these clients in the cluster, and these keys of sites. Its accounts are those of the operator. */
export function jobOf(
  name: string,
  uid: string,
  clients: readonly string[] = ['a', 'b'],
  siteClients: Readonly<Record<string, string>> = {},
): Job {
  return {
    place: { namespace: 'team', uid },
    name,
    coordinatorAccount: `${name}-coordinator`,
    workerAccounts: new Map(clients.map((client) => [client, `${name}-worker-${client}`])),
    siteClients: new Map(Object.entries(siteClients)),
  }
}

/** A key of a cluster, and tokens that it signs. `sign` makes the token of a member's pod, with changes. */
export async function signerOf(kid = 'one', alg = 'RS256') {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true })
  const jwk = { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' }
  const sign = (claims: TokenClaims): Promise<string> => {
    const { sub, aud, exp, now = Date.now() / 1000, padding = '' } = claims
    const jwt = new SignJWT({ padding }).setProtectedHeader({ alg, kid }).setSubject(sub).setAudience([aud])
    return jwt
      .setExpirationTime(exp ?? Math.floor(now) + 3600)
      .setIssuedAt(Math.floor(now))
      .sign(privateKey)
  }
  return { jwk, sign, publicKey, privateKey }
}

interface TokenClaims {
  readonly sub: string
  readonly aud: string
  readonly exp?: number
  readonly now?: number
  readonly padding?: string
}

export interface GivenGate {
  readonly nats: NatsServer
  readonly websocketPort: number
  readonly folder: string
  /** Signs the cluster's tokens. */
  readonly signer: Awaited<ReturnType<typeof signerOf>>
  /** The jobs that exist, by uid. */
  readonly jobs: Map<string, Job>
  /** The verdicts of all gates, in their order. */
  readonly verdicts: (Admitted | Refused)[]
  /** The token of a member's pod. */
  tokenOf(uid: string, member: Member, change?: Partial<TokenClaims>): Promise<string>
  /** Connects as a member, with its pod's token unless another is given; closed at the end. */
  connect(uid: string, member: Member, options?: ConnectOptions): Promise<MessageBus>
  /** Starts one more gate. */
  startGate(): Promise<{ stop(): Promise<void> }>
  close(): Promise<void>
}

interface ConnectOptions extends Partial<NatsOptions> {
  readonly token?: string
}

interface GateOptions {
  readonly jobs?: readonly Job[]
  /** Seconds that the connection of a site lives. */
  readonly siteSeconds?: { readonly least: number; readonly most: number }
  /** A folder with tls.crt and tls.key of the server. */
  readonly tlsFolder?: string
  /** Whether the WebSocket has TLS; as the other port where absent. */
  readonly websocketTls?: boolean
  /** Rows before those of the gate. */
  readonly authenticators?: readonly Authenticator[]
}

/** A server, one gate, and no connection yet. */
export async function openGate({
  jobs: given = [],
  siteSeconds,
  tlsFolder,
  websocketTls,
  authenticators = [],
}: GateOptions = {}): Promise<GivenGate> {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-gate-'))
  const issuer = natsKey('account', randomBytes(32))
  const user = natsKey('user', randomBytes(32))
  const websocketPort = await freePort()
  const websocket = { port: websocketPort, tls: websocketTls ?? tlsFolder !== undefined }
  const tls = tlsFolder === undefined ? {} : { tlsFolder }
  const config = calloutConfig({ issuer: issuer.publicKey, gateUser: user.publicKey, websocket, ...tls })
  const nats = await startNats({ folder, config })
  const signer = await signerOf()
  const keys = { keys: [signer.jwk] }
  const jobs = new Map(given.map((job) => [job.place.uid, job]))
  const verdicts: (Admitted | Refused)[] = []
  const buses = new Set<MessageBus>()
  const answer = createCallout({
    issuer,
    authenticators: [
      ...authenticators,
      podTokens({
        jobs: { find: (uid) => jobs.get(uid) },
        keys: { known: async () => keys, renewed: async () => keys },
        now: () => Date.now(),
      }),
      sites({
        jobs: { naming: (key) => [...jobs.values()].filter(({ siteClients }) => siteClients.has(key)) },
        now: () => performance.now() / 1000,
        random: Math.random,
        ...(siteSeconds ? { seconds: siteSeconds } : {}),
      }),
    ],
    onVerdict: (verdict) => void verdicts.push(verdict),
  })
  const startGate = async () => {
    const credentials = { nkeySeed: user.seed }
    const trust = tlsFolder === undefined ? {} : { tls: { caFile: join(tlsFolder, 'ca.crt') } }
    const bus = await connectNats({ url: nats.url, name: 'gate', credentials, group: 'gate', ...trust })
    await bus.serve(CALLOUT_SUBJECT, (_, body) => answer(body))
    buses.add(bus)
    const stop = async (): Promise<void> => {
      buses.delete(bus)
      await bus.close()
    }
    return { stop }
  }
  const tokenOf: GivenGate['tokenOf'] = (uid, member, change = {}) => {
    const job = jobs.get(uid)
    const account =
      member.role === 'client' ? job?.workerAccounts.get(member.client) : job?.coordinatorAccount
    const sub = subjectOf(job?.place.namespace ?? 'none', account ?? 'none')
    return signer.sign({ sub, aud: audienceOf(uid, member), ...change })
  }
  let files = 0
  return {
    ...{ nats, websocketPort, folder, signer, jobs, verdicts, tokenOf, startGate },
    async connect(uid, member, { token, ...options } = {}) {
      const secretFile = join(folder, `token-${++files}`)
      await writeFile(secretFile, token ?? (await tokenOf(uid, member)))
      const mayAnswer = member.role === 'coordinator' ? { mayAnswer: isOwnInbox } : {}
      const credentials = { user: memberName(uid, member), secretFile }
      const bus = await connectNats({ url: nats.url, credentials, ...mayAnswer, ...options })
      buses.add(bus)
      return bus
    },
    async close() {
      await Promise.all([...buses].map((bus) => bus.close()))
      await nats.stop()
      await rm(folder, { recursive: true })
    },
  }
}
