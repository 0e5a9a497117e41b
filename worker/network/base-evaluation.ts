// Evaluates a task's base model, for the receipt. Guarantees that it never throws: a client whose evaluation fails still trains,
// and its update counts. The receipt then says why there is no evaluation.
import { FedsamError } from '#protocol/errors.ts'
import { isFigure, LARGEST_FIGURE } from '#protocol/measured.ts'
import { MAX_NUM_EXAMPLES } from '#protocol/outcomes.ts'
import type { Receipt, Unmeasured } from '#protocol/record.ts'
import type { CallParameters, Trainer } from '../trainer/seam.ts'
import { messageWithRemedy } from './error-message.ts'

/** Two fields of a receipt; at least one of them is null. */
export type Evaluated = Pick<Receipt, 'evaluation' | 'notEvaluated'>

/** Asks the trainer to evaluate the model in the file `base`. `hasState`: the call left a new state; one that failed leaves none. */
export async function evaluateBase(
  trainer: Pick<Trainer, 'evaluate'>,
  base: string,
  parameters: CallParameters,
): Promise<Evaluated & { readonly hasState: boolean }> {
  try {
    const answer = await trainer.evaluate(base, parameters)
    const evaluated = judge(answer)
    return { ...evaluated, hasState: answer.hasState && evaluated.notEvaluated?.outcome !== 'Failed' }
  } catch (error) {
    const code = error instanceof FedsamError ? error.code : 'TrainerFailed'
    return { ...failed(code, messageWithRemedy(error)), hasState: false }
  }
}

type Answer = Awaited<ReturnType<Trainer['evaluate']>>

/** With 0 examples the loss does not matter: a mean over nothing is NaN. */
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
