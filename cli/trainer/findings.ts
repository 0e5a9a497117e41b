// What a check of a trainer comes to: a line each, fine, worth a note, or wrong with what to do. The judgements on tensors and
// answers that need no process are here, pure.
import { tensorDifference } from '#coordinator/aggregation/tensor-difference.ts'
import { tensorList } from '#coordinator/aggregation/tensor-rules.ts'
import { keptTensors } from '#protocol/half.ts'
import { MAX_NUM_EXAMPLES } from '#protocol/outcomes.ts'
import { type TensorSpec, tensorBytes } from '#protocol/tensors.ts'

export interface Finding {
  readonly level: 'Fine' | 'Note' | 'Wrong'
  readonly text: string
  readonly remedy?: string
}

/** What was found in a file of parameters. */
export interface Contents {
  readonly tensors: readonly TensorSpec[]
  /** SHA-256 of the file. */
  readonly digest: string
  /** The first element that is no finite number, '' where all are. */
  readonly notFinite: string
}

export const fine = (text: string): Finding => ({ level: 'Fine', text })
export const note = (text: string, remedy = ''): Finding => ({ level: 'Note', text, remedy })
export const wrong = (text: string, remedy = ''): Finding => ({ level: 'Wrong', text, remedy })

/** Of the parameters that get_parameters wrote: what a run would be fixed to. */
export function judgeParameters({ tensors, notFinite }: Contents): Finding[] {
  if (tensors.length === 0) return [wrong('the file of parameters holds no tensor')]
  if (notFinite !== '') return [wrong(`${notFinite}: the run would start from it`)]
  const megabytes = tensors.reduce((sum, tensor) => sum + tensorBytes(tensor), 0) / 1e6
  const rules = Map.groupBy(tensorList(tensors), ({ rule }) => rule)
  const counted = [...rules].map(([rule, of]) => `${of.length} ${RULES[rule]}`).join(', ')
  return [fine(`${tensors.length} tensors, ${megabytes.toFixed(1)} MB: ${counted}`)]
}

const RULES = {
  Optimise: 'are trained',
  Average: 'are averaged',
  Largest: 'keep their largest value',
  Keep: 'stay as they are',
} as const

/** Of what fit wrote, against what it was given. */
export function judgeUpdate(base: Contents, update: Contents): Finding[] {
  // A run widens what comes back in 16 bits.
  const difference = tensorDifference(base.tensors, keptTensors(update.tensors))
  if (difference !== '') {
    return [
      wrong(`fit wrote other tensors than it was given: ${difference}`, 'names, shapes and dtypes stay'),
    ]
  }
  if (update.notFinite !== '') return [wrong(`${update.notFinite}, after fit: the update would be rejected`)]
  if (update.digest === base.digest)
    return [note('fit changed nothing: the parameters are those it was given')]
  return [fine('fit wrote the tensors that it was given, all finite')]
}

/** Of the weight of an update. */
export function judgeWeight(numExamples: number): Finding {
  if (Number.isInteger(numExamples) && numExamples >= 1 && numExamples <= MAX_NUM_EXAMPLES) {
    return fine(`fit counts ${numExamples} examples`)
  }
  return wrong(
    `fit's num_examples is ${numExamples}`,
    `it is the weight of the update: a whole number from 1 to ${MAX_NUM_EXAMPLES}`,
  )
}

/** Of a second fit with the same parameters, config and seed. */
export function judgeRepetition(first: Contents, second: Contents): Finding {
  if (first.digest === second.digest) return fine('the same call made the same bytes again')
  return note(
    'the same call made other bytes: a round that is done again ends in another model',
    'derive what is random from config.seed',
  )
}
