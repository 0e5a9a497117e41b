// One task, from the model to the receipt: fetches and verifies the model, evaluates it, trains, uploads the update and its
// receipt. It evaluates before it trains, as Flower does: a trainer that keeps state sees the same order of calls. A failed
// evaluation costs no update: the receipt says why it failed (base-evaluation.ts).
import { mkdir, rm, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { canonicalJson } from '#protocol/canonical.ts'
import { FedsamError } from '#protocol/errors.ts'
import type { Task } from '#protocol/messages.ts'
import { pauseAfter } from '#runtime/backoff.ts'
import type { ReusedBuffer } from '#runtime/reused-buffer.ts'
import type { CallParameters, Trainer } from '../trainer/seam.ts'
import { type Evaluated, evaluateBase } from './base-evaluation.ts'
import { openUpdate } from './canonical-update.ts'
import {
  dropState,
  openState,
  rememberState,
  type StateOfTask,
  takeState,
  withState,
} from './client-state.ts'
import { type AskGrants, NotWanted } from './grants.ts'
import { replyTo } from './message-reply.ts'
import { deleteOldModels, fetchFile, fetchModel } from './model-cache.ts'
import type { WorkerOptions } from './options.ts'
import type { LineState } from './pieces.ts'
import { type LocalOutcome, uploadOutcome } from './upload.ts'

/**
 * The outcome of local work that is not uploaded yet. If its attempt closes first, the next attempt at the same round may use it.
 */
export interface Unsent {
  outcome: { readonly task: Task; readonly value: LocalOutcome; readonly stored: Set<string> } | null
  /** Memory that downloads and uploads of all tasks reuse. */
  readonly buffer: ReusedBuffer
  /** Whether a payload did not get through in one transfer, in this life of the worker. */
  readonly line: LineState
}

/** What all tasks of a worker share. */
export type TaskContext = Pick<
  WorkerOptions,
  | 'client'
  | 'incarnation'
  | 'prefix'
  | 'key'
  | 'transfers'
  | 'trainer'
  | 'folder'
  | 'log'
  | 'admit'
  | 'badLine'
  | 'clock'
> & {
  readonly ask: AskGrants
  readonly unsent: Unsent
}

export interface TaskOptions extends TaskContext {
  readonly signal: AbortSignal
  /** The task as it is now: a later attempt at the same round may have taken it over. */
  readonly task: () => Task
  readonly dataset: string
  /** For files that are not complete yet; `folder` holds the cached models, `states` the client's own states. */
  readonly scratch: string
  readonly states: string
}

/** Whether two tasks have the same base, seed, kind and state: then every attempt gets the same update and the same next state. */
export function isSameWork(one: Task, other: Task): boolean {
  return nameOf(one) === nameOf(other)
}

function nameOf({ kind, seed, base, state, round, attempt }: Task): string {
  const { last } = state ?? {}
  return canonicalJson([
    kind,
    // Two messages are two, though they say the same.
    kind === 'Message' ? [round, attempt] : null,
    seed,
    base?.sha256 ?? null,
    state?.place ?? null,
    last?.sha256 ?? null,
    last?.dataset ?? null,
  ])
}

/**
 * Does the task; resolves to the task whose attempt got the receipt. Throws the trainer's error, RecordDamaged where the store's
 * model differs from the one that the task names, and NotWanted when the attempt has closed without this client.
 */
export async function doTask(options: TaskOptions): Promise<Task> {
  const { unsent, signal } = options
  const first = options.task()
  if (unsent.outcome === null || !isSameWork(unsent.outcome.task, first)) {
    await discard(unsent)
    unsent.outcome = { task: first, value: await workOn(first, options), stored: new Set() }
  }
  for (;;) {
    throwIfStopped(signal)
    const task = options.task()
    try {
      const { value, stored } = unsent.outcome
      const line = options.badLine ? { line: unsent.line } : {}
      const send = () => uploadOutcome(value, { ...options, ...line, task, buffer: unsent.buffer, stored })
      await repeated(options, send)
      await rememberState(value.state, options.states)
      await discard(unsent)
      return task
    } catch (error) {
      const renamed = error instanceof NotWanted && options.task() !== task
      if (!renamed) throw error
    }
  }
}

/** Closes and deletes an update and a state that nobody will send. */
export async function discard(unsent: Unsent): Promise<void> {
  const { update, state = null } = unsent.outcome?.value ?? {}
  unsent.outcome = null
  await dropState(state)
  if (!update) return
  await update.file.close().catch(() => {})
  await unlink(update.path).catch(() => {})
}

function throwIfStopped(signal: AbortSignal): void {
  if (signal.aborted) throw new NotWanted('the worker gave up the work')
}

async function workOn(asked: Task, options: TaskOptions): Promise<LocalOutcome> {
  const task = (await options.admit?.(asked)) ?? asked
  const { trainer, scratch, folder, dataset, unsent, signal } = options
  if (task.base === null) await mkdir(scratch, { recursive: true })
  const output = join(scratch, `update-${task.round}.safetensors`)
  const fetch = (base: NonNullable<Task['base']>) => {
    const into = { ...options, buffer: unsent.buffer }
    return task.kind === 'Message' ? fetchFile(base, 'records', into) : fetchModel(base, into)
  }
  const { base: wanted } = task
  const base = wanted === null ? null : await repeated(options, () => fetch(wanted))
  const tidying = base === null ? undefined : deleteOldModels(folder, base).catch(() => {})
  const state = await repeated(options, () => openState(task, dataset, { ...options, buffer: unsent.buffer }))
  const parameters: CallParameters = { config: { ...task.config, seed: task.seed }, dtypes: task.dtypes }
  // Otherwise a file of an earlier life of this worker could pass for the answer to this call.
  await rm(output, { recursive: true, force: true })
  try {
    throwIfStopped(signal)
    if (task.message !== undefined && base !== null) {
      const left = join(scratch, `replied-${task.round}.state`)
      const replied = await replyTo(trainer, { message: task.message, content: base, output, left, state })
      // Beside an error the trainer may have left a file.
      if (replied.update === null) await rm(output, { recursive: true, force: true })
      await tidying
      return { ...replied, state, ...NOT_ASKED }
    }
    const evaluated =
      base !== null && task.evaluate
        ? await evaluate(trainer, {
            base,
            parameters,
            state,
            output: join(scratch, `evaluated-${task.round}.state`),
          })
        : NOT_ASKED
    throwIfStopped(signal)
    logFailure(options, task, evaluated)
    const left = join(scratch, `fitted-${task.round}.state`)
    const update = await train(trainer, { kind: task.kind, base, output, parameters, state, left })
    await tidying
    return { update, state, ...(asked.evaluate && !task.evaluate ? NOT_RELEASED : evaluated) }
  } catch (error) {
    await dropState(state)
    await rm(output, { recursive: true, force: true }).catch(() => {})
    throw error
  } finally {
    await deleteUntaken(task, scratch, state)
  }
}

/** Deletes the files that the calls of a task wrote for a new state, and that are not the client's state: nobody reads them. */
async function deleteUntaken({ round }: Task, scratch: string, state: StateOfTask | null): Promise<void> {
  const taken = state?.current?.path
  const paths = ['evaluated', 'fitted', 'replied'].map((call) => join(scratch, `${call}-${round}.state`))
  const untaken = paths.filter((path) => path !== taken)
  await Promise.all(untaken.map((path) => rm(path, { recursive: true, force: true }).catch(() => {})))
}

/** Seconds between two tries of a transfer whose line is down. */
const LINE_BACKOFF = { first: 1, longest: 30 }

/** Where the line may be bad, repeats a transfer while the store cannot be reached. The coordinator refuses grants once the attempt is over. */
async function repeated<T>(
  { badLine = false, clock, signal, log, task }: TaskOptions,
  transfer: () => Promise<T>,
): Promise<T> {
  for (let failures = 1; ; failures += 1) {
    try {
      return await transfer()
    } catch (error) {
      const isLine = error instanceof FedsamError && error.code === 'StorageUnreachable'
      if (!badLine || !isLine) throw error
      if (failures === 1) log(`round ${task().round}: ${error.message}; the site tries again`)
    }
    await clock.sleep(pauseAfter(failures, LINE_BACKOFF), signal)
    throwIfStopped(signal)
  }
}

const NOT_ASKED: Evaluated = { evaluation: null, notEvaluated: null }

/** The client keeps what it could measure to itself. */
const NOT_RELEASED: Evaluated = {
  evaluation: null,
  notEvaluated: {
    outcome: 'Nothing',
    reason: 'SiteRefused',
    message: 'the client releases no results of evaluations',
  },
}

function logFailure({ log }: Pick<TaskOptions, 'log'>, { round }: Task, { notEvaluated }: Evaluated): void {
  if (notEvaluated?.outcome === 'Failed')
    log(`round ${round}: the evaluation failed: ${notEvaluated.message}`)
}

interface Call {
  readonly parameters: CallParameters
  readonly state: StateOfTask | null
}

/** Evaluates the base. A state that the call leaves is the one that the training goes on from. */
async function evaluate(
  trainer: Trainer,
  { base, parameters, state, output }: Call & { readonly base: string; readonly output: string },
): Promise<Evaluated> {
  const { hasState, ...evaluated } = await evaluateBase(
    trainer,
    base,
    await withState(parameters, state, output),
  )
  if (hasState) await takeState(state, output)
  return evaluated
}

interface Training extends Call {
  readonly kind: Task['kind']
  readonly base: string | null
  readonly output: string
  /** Where the call may leave a new state. */
  readonly left: string
}

async function train(
  trainer: Trainer,
  { kind, base, output, parameters, state, left }: Training,
): Promise<LocalOutcome['update']> {
  if (kind === 'Evaluate') return null
  if (kind === 'Initialise' || base === null) {
    await trainer.getParameters(output)
    return { file: await openUpdate(output, null), path: output, numExamples: 1, metrics: {} }
  }
  const { numExamples, metrics, hasState } = await trainer.fit(
    base,
    output,
    await withState(parameters, state, left),
  )
  if (hasState) await takeState(state, left)
  return { file: await openUpdate(output, base), path: output, numExamples, metrics }
}
