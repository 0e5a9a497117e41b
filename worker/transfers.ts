// A worker's transfers: fetches the model it is to start from (verified, cached) and leaves its update and receipt, all through
// granted URLs. It asks for grants when they are needed, and again when they expired.
import { createHash, randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { encodeJson } from '#protocol/canonical.ts'
import { blockHasher, type PayloadDigest, sha256 } from '#protocol/digest.ts'
import { attemptKeys } from '#protocol/keys.ts'
import type { Granted, Task, Want } from '#protocol/messages.ts'
import type { Receipt } from '#protocol/record.ts'
import { type Grant, GrantRefused, type GrantedTransfers } from '#transport/ports.ts'

/** Payloads above this go up in parts. */
export const SINGLE_UPLOAD_BYTES = 16 * 1024 * 1024
/** Parts of a large upload; S3 wants at least 5 MiB and at most 10,000 of them. */
const PART_BYTES = 16 * 1024 * 1024
/** Models kept in the cache: the one in use and the one before it. */
const CACHED_MODELS = 2

/** Asks the coordinator for grants, in the order of the wants. Throws NoAnswer when it cannot be reached. */
export type AskGrants = (wants: readonly Want[]) => Promise<readonly Granted[]>

/** The closed attempt does not want this any more: drop the work. */
export class NotWanted extends Error {
  override readonly name = 'NotWanted'
}

function grantOf(granted: Granted | undefined): Grant {
  if (granted?.kind === 'Grant') return granted.grant
  throw new NotWanted(granted?.kind === 'Refused' ? granted.reason : 'no grant came')
}

/** Runs a granted transfer; an expired grant is asked for once more. */
async function withGrant<T>(ask: AskGrants, want: Want, use: (grant: Grant) => Promise<T>): Promise<T> {
  try {
    return await use(grantOf((await ask([want]))[0]))
  } catch (error) {
    if (!(error instanceof GrantRefused)) throw error
    return use(grantOf((await ask([want]))[0]))
  }
}

/**
 * The model's file, verified against its SHA-256, from the cache or the store. Other bytes than expected are fetched once
 * more, then NotWanted: the coordinator finds out by itself whether its record is damaged.
 */
export async function fetchModel(
  base: NonNullable<Task['base']>,
  options: { readonly folder: string; readonly ask: AskGrants; readonly transfers: GrantedTransfers },
): Promise<string> {
  const { folder, ask, transfers } = options
  await mkdir(folder, { recursive: true })
  const file = join(folder, `${base.sha256}.safetensors`)
  if ((await stat(file).catch(() => null))?.size === base.size) return file
  const part = `${file}.part`
  for (const last of [false, true]) {
    await withGrant(ask, { kind: 'Read', key: base.key }, (grant) => transfers.download(grant, part))
    if ((await fileDigest(part)) === base.sha256) break
    await rm(part, { force: true })
    if (last) throw new NotWanted(`${base.key} does not have the bytes that the task names`)
  }
  await rename(part, file)
  await forgetOldModels(folder, file)
  return file
}

async function fileDigest(file: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(file)) hash.update(chunk)
  return hash.digest('hex')
}

async function forgetOldModels(folder: string, newest: string): Promise<void> {
  const names = (await readdir(folder)).filter((name) => /^[0-9a-f]{64}\.safetensors$/.test(name))
  const files = await Promise.all(names.map(async (name) => ({ path: join(folder, name), at: (await stat(join(folder, name))).mtimeMs })))
  const old = files.filter(({ path }) => path !== newest).sort((a, b) => b.at - a.at)
  for (const { path } of old.slice(CACHED_MODELS - 1)) await rm(path, { force: true })
}

/** What the local work came to. */
export interface LocalOutcome {
  /** The trained parameters' file and what fit said of them; null for an evaluate-only task. */
  readonly update: { readonly file: string; readonly numExamples: number; readonly metrics: Readonly<Record<string, number>> } | null
  readonly evaluation: Receipt['evaluation']
}

/** Uploads the payload where there is one, then leaves the receipt: the payload first, the marker last. */
export async function leaveOutcome(
  outcome: LocalOutcome,
  options: {
    readonly task: Task
    readonly client: string
    readonly incarnation: string
    readonly dataset: string
    readonly ask: AskGrants
    readonly transfers: GrantedTransfers
  },
): Promise<void> {
  const { task, client, incarnation, dataset, ask, transfers } = options
  const keys = attemptKeys(task.round, task.attempt)
  const upload = randomBytes(16).toString('hex')
  const digest = outcome.update === null ? null : await digestFile(outcome.update.file)
  const receipt: Receipt = {
    schema: 'fedsam.receipt/1',
    client,
    round: task.round,
    attempt: task.attempt,
    incarnation,
    base: task.base?.sha256 ?? null,
    update:
      outcome.update === null || digest === null
        ? null
        : { upload, ...digest, numExamples: outcome.update.numExamples, metrics: { ...outcome.update.metrics } },
    evaluation: outcome.evaluation,
    dataset,
  }
  const body = encodeJson(receipt)
  const receiptWant: Want = { kind: 'Write', key: keys.receipt(client), size: body.length, sha256: sha256(body) }
  const key = keys.payload(client, upload)
  if (outcome.update !== null && digest !== null && digest.size <= SINGLE_UPLOAD_BYTES) {
    // Both grants in one request: a small update costs one round trip to the coordinator and two to the store.
    const wants: Want[] = [{ kind: 'Write', key, size: digest.size, sha256: digest.sha256 }, receiptWant]
    const [payloadGrant, receiptGrant] = await ask(wants)
    const bytes = await readRange(outcome.update.file, 0, digest.size)
    await transfers.write(grantOf(payloadGrant), bytes)
    await transfers.write(grantOf(receiptGrant), body)
    return
  }
  if (outcome.update !== null && digest !== null) await uploadParts(outcome.update.file, { key, size: digest.size, ask, transfers })
  await withGrant(ask, receiptWant, (grant) => transfers.write(grant, body))
}

async function uploadParts(
  file: string,
  options: { readonly key: string; readonly size: number; readonly ask: AskGrants; readonly transfers: GrantedTransfers },
): Promise<void> {
  const { key, size, ask, transfers } = options
  const [opened] = await ask([{ kind: 'OpenUpload', key }])
  if (opened?.kind !== 'Upload') throw new NotWanted('no upload was opened')
  const { upload } = opened
  for (let number = 1, offset = 0; offset < size; number += 1, offset += PART_BYTES) {
    const bytes = await readRange(file, offset, Math.min(PART_BYTES, size - offset))
    const want: Want = { kind: 'Part', key, upload, number, size: bytes.length, sha256: sha256(bytes) }
    await withGrant(ask, want, (grant) => transfers.write(grant, bytes))
  }
  const [completed] = await ask([{ kind: 'CompleteUpload', key, upload }])
  if (completed?.kind !== 'Completed') throw new NotWanted('the upload was not completed')
}

async function digestFile(file: string): Promise<PayloadDigest> {
  const hasher = blockHasher()
  for await (const chunk of createReadStream(file)) hasher.update(chunk)
  return hasher.finish()
}

async function readRange(file: string, offset: number, length: number): Promise<Uint8Array> {
  const handle = await open(file)
  try {
    const bytes = new Uint8Array(length)
    let filled = 0
    while (filled < length) {
      const { bytesRead } = await handle.read(bytes, filled, length - filled, offset + filled)
      if (bytesRead === 0) throw new RangeError(`${file} ends at ${offset + filled}`)
      filled += bytesRead
    }
    return bytes
  } finally {
    await handle.close()
  }
}
