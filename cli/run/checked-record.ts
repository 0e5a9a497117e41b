// Verifies a record before a command uses it: its bytes, the job's status in a cluster, and what the user brings from elsewhere:
// the head of the chain, and keys of certifiers. The commands decide what to do about a problem.
import { type Verification, verifyRecord } from '#coordinator/record/verify.ts'
import type { Roster } from '#coordinator/record/verify-roster.ts'
import { FedsamError } from '#protocol/errors.ts'
import { RUN_KEY } from '#protocol/keys.ts'
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
  if (/^[0-9a-f]{64}$/.test(key)) return key
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
  const unsigned =
    trust.length > 0 && !found.complete
      ? ['the output is not complete, so no key of --trust vouches for it']
      : []
  return { ...found, problems: [...found.problems, ...unsigned, ...contradictions(found, anchors, reported)] }
}

function contradictions(
  { head, chain, manifest }: Verification,
  { head: expected }: Anchors,
  reported: ReportedDigests,
): string[] {
  const model = manifest?.files.find(({ name }) => name === 'model.safetensors')?.sha256
  const reportedHead = reported.head?.replace(/^sha256:/, '')
  // A running job may be ahead of its status.
  const seen = reported.complete !== true && chain.includes(reportedHead ?? '') ? reportedHead : head
  return [
    ...differs(`--expect-head names the head sha256:${expected}`, head, expected),
    ...differs(`the job's status names the head ${reported.head}`, seen, reportedHead),
    ...differs(`the job's status names the model ${reported.model}`, model, reported.model),
  ]
}

function differs(what: string, there: string | null | undefined, wanted: string | undefined): string[] {
  if (wanted === undefined || there === wanted.replace(/^sha256:/, '')) return []
  return [`${what}, but the record has ${there == null ? 'none' : `sha256:${there}`}`]
}
