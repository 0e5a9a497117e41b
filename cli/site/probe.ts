// Tries a grant, for `fedsam site check --network`: a run of a listed job grants PUT and GET of the site's probe (protocol/probe.ts), which
// travels as an update does. Where no run answers, both are tried without a grant. Guarantees: nothing of the site is sent; neither the
// run nor an agent of the same site is disturbed, because a request for grants reports no presence and takes no task.
import { randomBytes } from 'node:crypto'
import { FedsamError } from '#protocol/errors.ts'
import { probeKey } from '#protocol/keys.ts'
import { type ClientPlace, type Granted, subjectPrefix } from '#protocol/messages.ts'
import { PROBE, probeBody } from '#protocol/probe.ts'
import type { SigningKey } from '#protocol/signatures.ts'
import { siteInbox, USER_INFO_SUBJECT } from '#protocol/sites.ts'
import { systemClock } from '#runtime/clock.ts'
import { placeText, readUserInfo } from '#site/agent/discovery.ts'
import type { Federation } from '#site/file/site.ts'
import { StepFailed } from '#transport/entry/step.ts'
import { askGet, askPut } from '#transport/entry/store.ts'
import { createGrantedTransfers } from '#transport/grants/transfers.ts'
import { type Grant, GrantRefused, type MessageBus, NoAnswer } from '#transport/ports.ts'
import { openConversation } from '#worker/network/conversation.ts'
import { type AskGrants, NotWanted } from '#worker/network/grants.ts'
import { askGrants } from '#worker/network/requests.ts'
import { type Finding, ok, problem, unseen } from '../cluster/checks/finding.ts'
import type { Way } from './connect.ts'

/** Seconds that the server, and then a coordinator, has for an answer. */
const ANSWER_SECONDS = 5

export interface ProbeOptions {
  readonly federation: Federation
  /** Absent: the federation does not admit the key. */
  readonly bus?: MessageBus
  readonly key: SigningKey
  readonly way: Way
}

/** What PUT and GET show; where there is no grant, what they show without one. */
export async function probeFindings(options: ProbeOptions): Promise<readonly Finding[]> {
  const { federation, bus } = options
  const subject = `store ${federation.name}`
  const runs = bus === undefined ? [] : await runsOf(options, bus)
  const why: string[] = []
  const apart: Finding[] = []
  for (const place of runs) {
    const granted = await grantsOf(options, bus!, place)
    if (granted.kind === 'Granted')
      return [...apart, ...(await grantedFindings(options, { place, granted, subject }))]
    why.push(`the coordinator of ${placeText(place)} gives no grant: ${granted.reason}`)
    if (granted.kind === 'OtherVersion')
      apart.push(
        problem(`version ${federation.name}`, `${placeText(place)}: ${granted.reason}`, granted.remedy),
      )
  }
  const reason = runs.length === 0 ? 'no run of a listed job names this key now' : why.join('; ')
  return [
    ...apart,
    unseen(subject, `PUT and GET with a grant were not tried: ${reason}`, 'check again while a job runs'),
    ...(await ungranted(options, new URL('/fedsam-site-check/probe', federation.store))),
  ]
}

interface TriedGrant {
  readonly place: ClientPlace
  readonly granted: Extract<Granting, { kind: 'Granted' }>
  readonly subject: string
}

async function grantedFindings(
  options: ProbeOptions,
  { place, granted, subject }: TriedGrant,
): Promise<readonly Finding[]> {
  const failed = await transferred(options, granted)
  const by = `with a grant of ${placeText(place)}`
  if (failed === undefined) return [ok(subject, `${by}, PUT and GET of ${PROBE.size / 1024} KiB pass`)]
  const { message, remedy } = failed
  const url = new URL(new URL(granted.first[1].url).pathname, options.federation.store)
  return [problem(subject, `${by}: ${message}`, remedy), ...(await ungranted(options, url))]
}

/** The runs that the server names for this connection; none where it does not answer. */
async function runsOf({ key }: ProbeOptions, bus: MessageBus): Promise<readonly ClientPlace[]> {
  try {
    const inbox = siteInbox(key.publicKey)
    const timeoutMs = ANSWER_SECONDS * 1000
    const answer = await bus.request(USER_INFO_SUBJECT, new Uint8Array(), { timeoutMs, inbox })
    return readUserInfo(answer)?.runs ?? []
  } catch (error) {
    if (error instanceof NoAnswer) return []
    throw error
  }
}

/** Asks for both grants. */
type AskBoth = () => Promise<readonly [Grant, Grant]>
type Granting =
  | { readonly kind: 'Granted'; readonly first: readonly [Grant, Grant]; readonly ask: AskBoth }
  | { readonly kind: 'None'; readonly reason: string }
  | { readonly kind: 'OtherVersion'; readonly reason: string; readonly remedy: string }

/** Whether the coordinator grants the probe. The conversation has an incarnation of its own, so its requests are no worker's. */
async function grantsOf(
  { federation, key }: ProbeOptions,
  bus: MessageBus,
  place: ClientPlace,
): Promise<Granting> {
  const { namespace, uid, client } = place
  const clock = systemClock()
  const conversation = openConversation({
    ...{ client, bus, key, clock, trust: federation.trust },
    prefix: subjectPrefix(namespace, uid),
    log: () => {},
    mayServe: (found) =>
      federation.jobs.some(({ job }) => job.namespace === found.namespace && job.name === found.name),
  })
  const limits = { answerSeconds: ANSWER_SECONDS, silenceSeconds: ANSWER_SECONDS }
  const incarnation = `check-${randomBytes(8).toString('hex')}`
  const { signal } = new AbortController()
  const ask = bothOf(askGrants({ client, incarnation, conversation, clock, signal, ...limits }), client)
  try {
    return { kind: 'Granted', first: await ask(), ask }
  } catch (error) {
    if (error instanceof FedsamError && error.code === 'OtherVersion')
      return { kind: 'OtherVersion', reason: error.message, remedy: error.remedy }
    const isRefusal =
      error instanceof NotWanted || (error instanceof FedsamError && error.code === 'SiteRefused')
    if (!isRefusal) throw error
    return { kind: 'None', reason: error.message }
  }
}

function bothOf(ask: AskGrants, client: string): AskBoth {
  const key = probeKey(client)
  return async () => {
    const [write, read] = await ask([
      { kind: 'Write', key, ...PROBE },
      { kind: 'Read', key },
    ])
    return [grantIn(write), grantIn(read)]
  }
}

function grantIn(granted: Granted | undefined): Grant {
  if (granted?.kind === 'Grant') return granted.grant
  throw new NotWanted(granted?.kind === 'Refused' ? granted.reason : 'its version is older than this one')
}

interface Fault {
  readonly message: string
  readonly remedy: string
}

/** PUT, then GET, as an update travels; undefined where the same bytes come back. */
async function transferred(
  { federation, way }: ProbeOptions,
  { first, ask }: Extract<Granting, { kind: 'Granted' }>,
): Promise<Fault | undefined> {
  const transfers = createGrantedTransfers({ site: { origin: federation.store, ...way }, attempts: 2 })
  const body = probeBody()
  const comesBack = async ([write, read]: readonly [Grant, Grant]): Promise<boolean> => {
    await transfers.write(write, body, PROBE.sha256)
    return Buffer.compare(await transfers.read(read), body) === 0
  }
  try {
    const same = await comesBack(first).catch(async (error: unknown) => {
      // An attempt of the run may have ended in between, and then its coordinator deletes the probe.
      if (error instanceof GrantRefused) return comesBack(await ask())
      throw error
    })
    return same ? undefined : { message: 'the store returns other bytes than were sent', remedy: CHANGED }
  } catch (error) {
    return faultOf(error)
  }
}

function faultOf(error: unknown): Fault {
  if (error instanceof FedsamError) return error
  if (error instanceof GrantRefused || error instanceof NotWanted)
    return { message: error.message, remedy: REFUSED }
  throw error
}

const CHANGED = "ask the network's people whether a device on the way changes what it carries"
const REFUSED =
  'the lines below name who answers; ask the people who run the federation about an answer of the store'

/** PUT and GET without a grant: who answers. */
async function ungranted({ federation: { name }, way }: ProbeOptions, url: URL): Promise<readonly Finding[]> {
  const options = { url, body: probeBody(), ...way }
  const judged = async (ask: typeof askPut, method: string): Promise<Finding> => {
    const subject = `${method} ${name}`
    try {
      const { kind, says } = await ask(options)
      return kind === 'Store' ? ok(subject, says) : unseen(subject, says)
    } catch (error) {
      if (!(error instanceof StepFailed)) throw error
      return problem(subject, error.message, error.remedy)
    }
  }
  return [await judged(askPut, 'PUT'), await judged(askGet, 'GET')]
}
