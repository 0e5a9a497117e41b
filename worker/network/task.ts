// One task from model to receipt: fetch and verify, evaluate, train, upload, leave the receipt.
// It evaluates before it trains, as Flower does: a client that keeps a state sees the same order of calls. An evaluation that
// fails costs no update: the receipt says why it failed (evaluation.ts).
import { mkdir, rm, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { Task } from '#protocol/messages.ts'
import type { Room } from '#runtime/reused-buffer.ts'
import type { GrantedTransfers } from '#transport/ports.ts'
import type { Trainer } from '../trainer/seam.ts'
import { openUpdate } from './canonicalise.ts'
import { type Evaluated, evaluateBase, type Given } from './evaluation.ts'
import { type AskGrants, NotWanted } from './granting.ts'
import { fetchModel, forgetOldModels } from './models.ts'
import { type LocalOutcome, leaveOutcome } from './upload.ts'

/** What was made and not left yet: its attempt closed meanwhile, the next one at the same round may want it. */
export interface Shelf {
  made: { readonly task: Task; readonly outcome: LocalOutcome; readonly stored: Set<string> } | null
  /** What leaving it needs. */
  readonly room: Room
}

export interface TaskOptions {
  /** The task as it stands: a later attempt at the same round may have renamed it meanwhile. */
  readonly task: () => Task
  readonly signal: AbortSignal
  readonly shelf: Shelf
  readonly client: string
  readonly incarnation: string
  readonly dataset: string
  readonly ask: AskGrants
  readonly transfers: GrantedTransfers
  readonly trainer: Trainer
  /** Where models are cached, below where files in the making lie. */
  readonly folder: string
  readonly scratch: string
  readonly log: (line: string) => void
}

/** The same base, seed and kind give the same update, whatever attempt asks for it. */
export function isSameWork(one: Task, other: Task): boolean {
  return one.kind === other.kind && one.seed === other.seed && one.base?.sha256 === other.base?.sha256
}

/**
 * Does the task; resolves to it under the name that it was left by. Throws what the trainer throws, RecordDamaged where the
 * model is not what the task names, and NotWanted when the attempt has gone on without it.
 */
export async function doTask(options: TaskOptions): Promise<Task> {
  const { shelf, signal } = options
  const first = options.task()
  if (shelf.made === null || !isSameWork(shelf.made.task, first)) {
    await clear(shelf)
    shelf.made = { task: first, outcome: await make(options, first), stored: new Set() }
  }
  for (;;) {
    stopIfUnwanted(signal)
    const task = options.task()
    try {
      const { outcome, stored } = shelf.made
      await leaveOutcome(outcome, { ...options, task, room: shelf.room, stored })
      await clear(shelf)
      return task
    } catch (error) {
      const renamed = error instanceof NotWanted && options.task() !== task
      if (!renamed) throw error
    }
  }
}

async function clear(shelf: Shelf): Promise<void> {
  const update = shelf.made?.outcome.update
  shelf.made = null
  if (!update) return
  await update.file.close().catch(() => {})
  await unlink(update.path).catch(() => {})
}

function stopIfUnwanted(signal: AbortSignal): void {
  if (signal.aborted) throw new NotWanted('the work was given up')
}

async function make(options: TaskOptions, task: Task): Promise<LocalOutcome> {
  const { trainer, scratch, folder, shelf, signal } = options
  if (task.base === null) await mkdir(scratch, { recursive: true })
  const output = join(scratch, `update-${task.round}.safetensors`)
  const base = task.base === null ? null : await fetchModel(task.base, { ...options, room: shelf.room })
  const tidying = base === null ? undefined : forgetOldModels(folder, base).catch(() => {})
  const given: Given = { config: { ...task.config, seed: task.seed }, dtypes: task.dtypes }
  // A file that an earlier life left is no answer to this call.
  await rm(output, { recursive: true, force: true })
  try {
    stopIfUnwanted(signal)
    const evaluated = base !== null && task.evaluate ? await evaluateBase(trainer, base, given) : NOT_ASKED
    stopIfUnwanted(signal)
    noteFailure(options, task, evaluated)
    const update = await train(trainer, { kind: task.kind, base, output, ...given })
    await tidying
    return { update, ...evaluated }
  } catch (error) {
    await unlink(output).catch(() => {})
    throw error
  }
}

const NOT_ASKED: Evaluated = { evaluation: null, notEvaluated: null }

function noteFailure({ log }: TaskOptions, { round }: Task, { notEvaluated }: Evaluated): void {
  if (notEvaluated?.outcome === 'Failed')
    log(`round ${round}: the evaluation failed: ${notEvaluated.message}`)
}

interface Training extends Given {
  readonly kind: Task['kind']
  readonly base: string | null
  readonly output: string
}

async function train(
  trainer: Trainer,
  { kind, base, output, config, dtypes }: Training,
): Promise<LocalOutcome['update']> {
  if (kind === 'Evaluate') return null
  if (kind === 'Initialise' || base === null) {
    await trainer.getParameters(output)
    return { file: await openUpdate(output, null), path: output, numExamples: 1, metrics: {} }
  }
  const { numExamples, metrics } = await trainer.fit(base, output, config, dtypes)
  return { file: await openUpdate(output, base), path: output, numExamples, metrics }
}
