// Verifies a record before a command uses it: its bytes, the job's status in a cluster, and what the user brings from elsewhere:
// the head of the chain, and keys of certifiers. The commands decide what to do about a problem.
import * as v from 'valibot'
import { type Contradiction, contradictionsAmong } from '#coordinator/record/output-signatures.ts'
import { type Verification, verifyRecord } from '#coordinator/record/verify.ts'
import type { Roster } from '#coordinator/record/verify-roster.ts'
import { FedsamError } from '#protocol/errors.ts'
import { MANIFEST_KEY, RUN_KEY } from '#protocol/keys.ts'
import { PublicKey } from '#protocol/signatures.ts'
import type { ObjectStore } from '#transport/ports.ts'
import type { ReportedDigests } from '../cluster/source.ts'
import { UsageError } from '../commands/command.ts'
import { readRoster } from './roster.ts'

/** Options of commands that check a record. */
export const ANCHOR_OPTIONS = {
  'expect-head': { type: 'string' },
  trust: { type: 'string', multiple: true },
  roster: { type: 'string' },
} as const

/** What the user knows of a record from another source. */
export interface Anchors {
  /** Digest of the last result. */
  readonly head?: string | undefined
  /** Public keys of certifiers; the output must have a signature that one of them vouches for. */
  readonly trust: readonly string[]
  /** Public keys that the clients published. */
  readonly roster?: Roster | undefined
}

/** The anchors in the options. Throws UsageError; InvalidJob for a roster that cannot be read. */
export async function readAnchors(values: {
  readonly 'expect-head'?: string | undefined
  readonly trust?: readonly string[] | undefined
  readonly roster?: string | undefined
}): Promise<Anchors> {
  const head = expectedHead(values['expect-head'])
  const trust = (values.trust ?? []).map(trustedKey)
  return values.roster === undefined
    ? { head, trust }
    : { head, trust, roster: await readRoster(values.roster) }
}

function trustedKey(text: string): string {
  const key = text.toLowerCase()
  if (v.is(PublicKey, key)) return key
  throw new UsageError('--trust needs the public key of a certifier: 64 hexadecimal digits')
}

/** The digest of --expect-head in hexadecimal digits. Throws UsageError. */
function expectedHead(text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  const [, digest] = /^(?:sha256:)?([0-9a-f]{64})$/.exec(text) ?? []
  if (digest === undefined)
    throw new UsageError(
      '--expect-head needs sha256: and 64 hexadecimal digits, as fedsam status and fedsam verify print them',
    )
  return digest
}

/** Verifies the record. Throws InvalidJob if the folder holds no record. */
export async function checkRecord(
  store: ObjectStore,
  { anchors, reported }: { readonly anchors: Anchors; readonly reported: ReportedDigests },
): Promise<Verification> {
  if ((await store.size(RUN_KEY)) === undefined) {
    throw new FedsamError('InvalidJob', `${store.description} holds no run`, {
      remedy: 'name the output folder of a run, its s3://bucket/prefix, or fj/NAME of a cluster',
    })
  }
  const { trust, roster } = anchors
  const found = await verifyRecord(store, {
    trust: { keys: trust, reported: reported.signer },
    ...(roster === undefined ? {} : { roster }),
  })
  const more = contradictions(found, anchors, reported)
  return {
    ...found,
    problems: [...found.problems, ...more.map(({ sentence }) => sentence)],
    contradictions: [...found.contradictions, ...more],
  }
}

/** What to do about each source that a record contradicts. */
const REMEDIES: { readonly [Source in Contradiction['source']]: string } = {
  Head: 'the record ends with another result than --expect-head: compare the digest with your note of it; if it is right, restore the record from a copy',
  Trust:
    'no certifier of --trust vouches for the output: compare the key with the one that the certifier publishes; if it is right, do not use the output',
  Roster:
    'the record does not fit the roster: ask the sites for the keys that their workers logged; if they are right, do not use the model',
  Status: "the record is not the one that the job's status describes: restore it from a copy",
  End: 'the output is missing: wait if the run is still at work; else start it with this output again, which writes it',
}

/** The last lines of a report on a record: what to do about its problems. Empty for a sound record. */
export function remediesFor({
  problems,
  contradictions,
}: Pick<Verification, 'problems' | 'contradictions'>): string[] {
  const own = problems.length - contradictions.length
  const sources = new Set(contradictions.map(({ source }) => source))
  return [
    ...(own > 0 ? [`the record has ${own} faults: restore it from a copy`] : []),
    ...[...sources].map((source) => REMEDIES[source]),
  ]
}

function contradictions(found: Verification, anchors: Anchors, reported: ReportedDigests): Contradiction[] {
  return [...missingOutput(found, anchors, reported), ...otherDigests(found, anchors, reported)]
}

/**
 * An output that must be there. A coordinator writes it after the last result, so a run without a status that says more may have been
 * killed in between.
 */
function missingOutput(
  { complete, unfinished }: Verification,
  { trust }: Anchors,
  reported: ReportedDigests,
): Contradiction[] {
  if (complete) return []
  const isReported = reported.complete === true || reported.model !== undefined
  return contradictionsAmong([
    ['Trust', trust.length > 0, 'the output is not complete, so no key of --trust vouches for it'],
    [
      'Status',
      isReported,
      `the job's status says that the output is complete, but ${MANIFEST_KEY} is missing or damaged`,
    ],
    [
      'End',
      unfinished && reported.complete === undefined,
      `the last round has ended, but ${MANIFEST_KEY} is missing`,
    ],
  ])
}

function otherDigests(
  { head, chain, complete, manifest }: Verification,
  { head: expected }: Anchors,
  reported: ReportedDigests,
): Contradiction[] {
  const model = manifest?.files.find(({ name }) => name === 'model.safetensors')?.sha256
  const reportedHead = reported.head?.replace(/^sha256:/, '')
  // A running job may be ahead of its status.
  const seen = reported.complete !== true && chain.includes(reportedHead ?? '') ? reportedHead : head
  return [
    ...differs('Head', `--expect-head names the head sha256:${expected}`, head, expected),
    ...differs('Status', `the job's status names the head ${reported.head}`, seen, reportedHead),
    // The model of an output that is not complete is not compared: a sentence on the output says that.
    ...differs(
      'Status',
      `the job's status names the model ${reported.model}`,
      model,
      complete ? reported.model : undefined,
    ),
  ]
}

function differs(
  source: Contradiction['source'],
  what: string,
  there: string | null | undefined,
  wanted: string | undefined,
): Contradiction[] {
  if (wanted === undefined || there === wanted.replace(/^sha256:/, '')) return []
  return [{ source, sentence: `${what}, but the record has ${there == null ? 'none' : `sha256:${there}`}` }]
}
