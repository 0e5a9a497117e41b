// One task from model to receipt: fetch and verify, evaluate, train, upload, leave the receipt.
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Task } from '#protocol/messages.ts'
import type { Receipt } from '#protocol/record.ts'
import type { GrantedTransfers } from '#transport/ports.ts'
import { canonicalise } from './canonicalise.ts'
import type { Trainer } from './trainer/seam.ts'
import { type AskGrants, fetchModel, type LocalOutcome, leaveOutcome } from './transfers.ts'

export interface TaskOptions {
  /** The task as it stands: a later attempt at the same round may have renamed it meanwhile. */
  readonly task: () => Task
  readonly client: string
  readonly incarnation: string
  readonly dataset: string
  readonly ask: AskGrants
  readonly transfers: GrantedTransfers
  readonly trainer: Trainer
  /** Where models are cached, and where files in the making lie. */
  readonly folder: string
  readonly scratch: string
}

/** Does the task. Throws what the trainer throws, and NotWanted when the attempt has gone on without it. */
export async function doTask(options: TaskOptions): Promise<void> {
  const { trainer, scratch } = options
  const task = options.task()
  await mkdir(scratch, { recursive: true })
  const output = join(scratch, `update-${task.round}.safetensors`)
  try {
    const base = task.base === null ? null : await fetchModel(task.base, options)
    const config = { ...task.config, seed: task.seed }
    const evaluation = base !== null && task.evaluate ? await evaluate(trainer, base, config) : null
    const update = await train(trainer, { kind: task.kind, base, output, config })
    await leaveOutcome({ update, evaluation }, { ...options, task: options.task() })
  } finally {
    await rm(output, { force: true })
  }
}

/** A partition without held-out data has nothing to say. */
async function evaluate(trainer: Trainer, base: string, config: Readonly<Record<string, string>>): Promise<Receipt['evaluation']> {
  const { loss, numExamples, metrics } = await trainer.evaluate(base, config)
  return numExamples > 0 ? { loss, numExamples, metrics: { ...metrics } } : null
}

async function train(
  trainer: Trainer,
  work: { kind: Task['kind']; base: string | null; output: string; config: Readonly<Record<string, string>> },
): Promise<LocalOutcome['update']> {
  const { kind, base, output, config } = work
  if (kind === 'Evaluate') return null
  if (kind === 'Initialise' || base === null) {
    await trainer.getParameters(output)
    await canonicalise(output)
    return { file: output, numExamples: 1, metrics: {} }
  }
  const { numExamples, metrics } = await trainer.fit(base, output, config)
  await canonicalise(output)
  return { file: output, numExamples, metrics }
}
