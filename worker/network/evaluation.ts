// The evaluation of a task's base model, and what became of it: measured, nothing to measure, or failed.
// It guarantees that it never throws: a client whose evaluation fails still trains, and its update counts.
import { FedsamError } from '#protocol/errors.ts'
import { isFigure, LARGEST_FIGURE } from '#protocol/measured.ts'
import { MAX_NUM_EXAMPLES } from '#protocol/outcomes.ts'
import type { Receipt, Unmeasured } from '#protocol/record.ts'
import type { DType } from '#protocol/tensors.ts'
import type { Trainer } from '../trainer/seam.ts'
import { messageWithRemedy } from './failure.ts'

/** A receipt's two fields: one of them is null. */
export type Evaluated = Pick<Receipt, 'evaluation' | 'notEvaluated'>

/** What a call has beside the model's file. */
export interface Given {
  readonly config: Readonly<Record<string, string>>
  /** The element types in which round 0 got the tensors, where the file has others. */
  readonly dtypes: readonly DType[] | undefined
}

/** Asks the trainer for its evaluation of the model in `base`. */
export async function evaluateBase(
  trainer: Pick<Trainer, 'evaluate'>,
  base: string,
  { config, dtypes }: Given,
): Promise<Evaluated> {
  try {
    return judge(await trainer.evaluate(base, config, dtypes))
  } catch (error) {
    return failed(error instanceof FedsamError ? error.code : 'TrainerFailed', messageWithRemedy(error))
  }
}

type Answer = Awaited<ReturnType<Trainer['evaluate']>>

/** With 0 examples nothing was held out, whatever the loss is: a mean of nothing is NaN. */
function judge({ loss, numExamples, metrics }: Answer): Evaluated {
  if (numExamples === 0)
    return { evaluation: null, notEvaluated: { outcome: 'Nothing', reason: '', message: '' } }
  if (!Number.isSafeInteger(numExamples) || numExamples < 0 || numExamples > MAX_NUM_EXAMPLES) {
    const wanted = `a whole number from 0 to ${MAX_NUM_EXAMPLES}`
    return failed('TrainerFailed', `evaluate answered num_examples ${numExamples}: return ${wanted}`)
  }
  if (isFigure(loss))
    return { evaluation: { loss, numExamples, metrics: { ...metrics } }, notEvaluated: null }
  const what = Number.isFinite(loss) ? `above ${LARGEST_FIGURE}` : 'not a finite number'
  const remedy = 'Has training diverged? Lower the learning rate'
  return failed('TrainerFailed', `evaluate answered the loss ${loss}, which is ${what}. ${remedy}`)
}

function failed(reason: string, message: string): Evaluated {
  const notEvaluated: Unmeasured = { outcome: 'Failed', reason, message }
  return { evaluation: null, notEvaluated }
}
