// Verifies a record before a command uses it: its bytes, the job's status in a cluster, and the head that the user expects. The
// commands decide what to do about a problem.
import { type Verification, verifyRecord } from '#coordinator/record/verify.ts'
import { FedsamError } from '#protocol/errors.ts'
import { RUN_KEY } from '#protocol/keys.ts'
import type { ObjectStore } from '#transport/ports.ts'
import type { ReportedDigests } from '../cluster/source.ts'
import { UsageError } from '../commands/command.ts'

/** Options of commands that check a record. */
export const EXPECT_OPTIONS = { 'expect-head': { type: 'string' } } as const

/** The digest of --expect-head in hexadecimal digits. Throws UsageError. */
export function expectedHead(text: string | undefined): string | undefined {
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
  { expected, reported }: { readonly expected: string | undefined; readonly reported: ReportedDigests },
): Promise<Verification> {
  if ((await store.size(RUN_KEY)) === undefined) {
    throw new FedsamError('InvalidJob', `${store.description} holds no run`, {
      remedy: 'name the output folder of a run, its s3://bucket/prefix, or fj/NAME of a cluster',
    })
  }
  const found = await verifyRecord(store)
  return { ...found, problems: [...found.problems, ...contradictions(found, expected, reported)] }
}

function contradictions(
  { head, chain, manifest }: Verification,
  expected: string | undefined,
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
