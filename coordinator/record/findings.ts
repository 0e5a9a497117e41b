// What a verification has found so far, and the readings that add to it: markers that must exist, payloads that must have their digests.
// A damaged object becomes a problem; a store that cannot be reached throws.
import { FedsamError } from '#protocol/errors.ts'
import { epochKey } from '#protocol/keys.ts'
import type { PayloadRef } from '#protocol/record.ts'
import type { StoreReader } from '#transport/ports.ts'
import { readPayload } from '../aggregation/payload-reader.ts'
import { type Marked, readRecord } from './markers.ts'

export interface Findings {
  readonly store: StoreReader
  readonly scope: Scope
  readonly problems: string[]
  readonly absent: string[]
  payloads: number
  refolded: number
}

/** Chain: results, plans and decisions, which fix a model's place in the chain. */
export type Scope = 'Everything' | 'Chain'

/** Bytes that one read asks for: whole digest blocks. */
const READ_BYTES = 8 * 1024 * 1024

/** Reads a marker that must exist. A missing marker becomes a problem. */
export async function existing<T extends Marked<unknown>>(
  findings: Findings,
  reading: Promise<T | undefined>,
  key: string,
): Promise<T | undefined> {
  const before = findings.problems.length
  const found = await sound(findings, reading)
  // `sound` has reported damage already.
  if (found === undefined && findings.problems.length === before) findings.problems.push(`${key} is missing`)
  return found
}

export async function verifyPayload(findings: Findings, payload: PayloadRef): Promise<void> {
  const { store, scope } = findings
  if (scope !== 'Everything') return
  const { key, size } = payload
  const faults = findings.problems.length
  const stored = await sound(findings, store.size(key))
  if (findings.problems.length > faults) return
  if (stored === undefined) return void findings.absent.push(key)
  if (stored !== size) {
    findings.problems.push(`${key} has ${stored} bytes; its marker names ${size}`)
    return
  }
  const read = async (): Promise<true> => {
    for (let begin = 0; begin < size; begin += READ_BYTES) {
      await readPayload(store, { payload }, [begin, Math.min(begin + READ_BYTES, size)])
    }
    return true
  }
  if ((await sound(findings, read())) === true) findings.payloads += 1
}

/** Awaits a reading. A damaged object becomes a problem, and the result is undefined. */
export async function sound<T>({ problems }: Findings, reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading
  } catch (error) {
    if (!(error instanceof FedsamError) || error.code !== 'RecordDamaged') throw error
    problems.push(error.message)
    return undefined
  }
}

/** Every epoch that wrote a marker must have its claim. */
export async function verifyEpochs(findings: Findings, epochs: ReadonlySet<number>): Promise<void> {
  for (const epoch of epochs) {
    const key = epochKey(epoch)
    const claim = await existing(findings, readRecord(findings.store, 'epoch', key), key)
    if (claim !== undefined && claim.value.epoch !== epoch)
      findings.problems.push(`${key} claims epoch ${claim.value.epoch}`)
  }
}
