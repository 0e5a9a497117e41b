// A client's state during a task: the file that it goes on from, and the one that the trainer's calls leave. Guarantees that work goes
// on from the state that the task names and from no other, whatever this process or its folder remembers; and that a state whose bytes
// stay here is on the disk before a receipt names it. Uploading is left to upload.ts, and what counts to the coordinator.
import { mkdir, open, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { continuedState, type StatePlace } from '#protocol/client-state.ts'
import type { PayloadDigest } from '#protocol/digest.ts'
import { FedsamError } from '#protocol/errors.ts'
import type { Task } from '#protocol/messages.ts'
import { readFully, writeFully } from '#runtime/file-bytes.ts'
import { sha256OfFile } from '#runtime/file-digest.ts'
import { type ForeignFile, openForeign } from '../trainer/foreign-file.ts'
import type { CallParameters } from '../trainer/seam.ts'
import { deleteOldFiles, fetchFile, type ModelOptions } from './model-cache.ts'

/** States that stay in the cache beside the one in use: those of attempts that may still count. */
const OTHER_STATES = 3
/** Bytes that are copied at a time. */
const COPY_BYTES = 1024 * 1024
const WHAT = "the trainer's state"

/** The state that a client has. Its bytes are in the record or at the client already, or else in the trainer's file. */
export type OwnState =
  | { readonly kind: 'Last'; readonly path: string; readonly sha256: string; readonly size: number }
  | { readonly kind: 'New'; readonly path: string; readonly file: ForeignFile; digest: PayloadDigest | null }

/** A client's state in one task. */
export interface StateOfTask {
  readonly place: StatePlace
  readonly maxBytes: number
  /** The SHA-256 of the state that the work began with; null: it began afresh. */
  readonly base: string | null
  /** null: the client has no state. */
  current: OwnState | null
}

export type StateOptions = Pick<ModelOptions, 'buffer' | 'ask' | 'transfers'> & {
  /** For the states of this client, by digest. */
  readonly states: string
  readonly log: (line: string) => void
}

/** The state that the task goes on from, verified. null: the coordinator's release keeps none. Throws as fetchFile does. */
export async function openState(
  { state: rule, round }: Task,
  dataset: string,
  options: StateOptions,
): Promise<StateOfTask | null> {
  if (rule === undefined) return null
  const { place, maxBytes } = rule
  const { states, log } = options
  const last = continuedState(rule.last, dataset.slice(0, 2048))
  if (last === null && rule.last !== null)
    log(`round ${round}: the data set is another one than that of the client's state: it starts afresh`)
  const path = last === null ? null : await fileOf(last, options)
  if (last !== null && path === null)
    log(`round ${round}: the client's state is lost, because its bytes were here only: it starts afresh`)
  await deleteOldFiles(states, path ?? '', OTHER_STATES).catch(() => {})
  if (last === null || path === null) return { place, maxBytes, base: null, current: null }
  const { sha256, size } = last
  return { place, maxBytes, base: sha256, current: { kind: 'Last', path, sha256, size } }
}

/** The verified file of a state; null where its bytes were at this client only, and are not there any more. */
async function fileOf(
  last: { readonly sha256: string; readonly size: number; readonly key: string | null },
  options: StateOptions,
): Promise<string | null> {
  const { states: folder } = options
  const { sha256, size, key } = last
  if (key !== null) return fetchFile({ key, size, sha256 }, 'state', { ...options, folder })
  const path = pathOf(folder, sha256)
  return (await sha256OfFile(path)) === sha256 ? path : null
}

function pathOf(folder: string, sha256: string): string {
  return join(folder, `${sha256}.state`)
}

/** The parameters of a call: with the state, and the file at which it may leave a new one. */
export async function withState<T extends object>(
  parameters: T,
  state: StateOfTask | null,
  output: string,
): Promise<T & Pick<CallParameters, 'state'>> {
  if (state === null) return parameters
  // Otherwise a file of an earlier call could pass for the state that this one leaves.
  await rm(output, { recursive: true, force: true })
  return { ...parameters, state: { input: state.current?.path ?? null, output } }
}

/** Takes the state that a call left at `output`. Throws TrainerFailed where it is no regular file, or too large. */
export async function takeState(state: StateOfTask | null, output: string): Promise<void> {
  if (state === null) return
  const file = await openForeign(output, state.maxBytes, WHAT)
  if (file === undefined)
    throw new FedsamError('TrainerFailed', 'the trainer answered a state, and wrote no file', {
      remedy: 'write the state to the path that the call names in state_output, before the answer',
    })
  await dropState(state)
  state.current = { kind: 'New', path: output, file, digest: null }
}

/** Copies a new state to where the client finds it by its digest, and waits until the disk has it. */
export async function keepState({ file, path, digest }: Kept, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  const kept = pathOf(folder, digest.sha256)
  const part = `${kept}.part`
  await rm(part, { recursive: true, force: true })
  const copy = await open(part, 'wx')
  try {
    for (let at = 0; at < file.size; at += COPY_BYTES)
      await writeFully(
        copy,
        await readFully(file.handle, at, new Uint8Array(Math.min(COPY_BYTES, file.size - at))),
      )
    await copy.sync()
  } finally {
    await copy.close()
  }
  await file.check()
  await rename(part, kept)
  if (path !== kept) await rm(path, { force: true })
}

type Kept = Pick<Extract<OwnState, { kind: 'New' }>, 'file' | 'path'> & { readonly digest: PayloadDigest }

/** Keeps the state after its receipt was stored, so that the next task need not fetch it. A failure costs that transfer only. */
export async function rememberState(state: StateOfTask | null, folder: string): Promise<void> {
  const current = state?.current
  if (state?.place !== 'Record' || current?.kind !== 'New' || current.digest === null) return
  await mkdir(folder, { recursive: true }).catch(() => {})
  await rename(current.path, pathOf(folder, current.digest.sha256)).catch(() => {})
}

/** Closes and deletes a state that nobody needs. */
export async function dropState(state: StateOfTask | null): Promise<void> {
  const current = state?.current
  if (state == null || current?.kind !== 'New') return
  state.current = null
  await current.file.close().catch(() => {})
  await rm(current.path, { force: true }).catch(() => {})
}
