// The findings of a trainer check: fine, a note, or wrong with a remedy. Pure: this file judges tensors and answers.
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

/** The contents of a file of parameters. */
export interface Contents {
  readonly tensors: readonly TensorSpec[]
  /** SHA-256 of the file. */
  readonly digest: string
  /** The first element that is not a finite number; '' where all are finite. */
  readonly notFinite: string
}

export const fine = (text: string): Finding => ({ level: 'Fine', text })
export const note = (text: string, remedy = ''): Finding => ({ level: 'Note', text, remedy })
export const wrong = (text: string, remedy = ''): Finding => ({ level: 'Wrong', text, remedy })

/** Findings on the parameters of get_parameters, which fix the tensors of a run. */
export function judgeParameters({ tensors, notFinite }: Contents): Finding[] {
  if (tensors.length === 0)
    return [wrong('the file of parameters contains no tensor', 'write every parameter that trains')]
  if (notFinite !== '') return [wrong(`${notFinite}: a run would start from it`, 'write finite parameters')]
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

/** Findings on the parameters that fit wrote, compared with those that it received. */
export function judgeUpdate(base: Contents, update: Contents): Finding[] {
  // A run widens 16-bit floats.
  const difference = tensorDifference(base.tensors, keptTensors(update.tensors))
  if (difference !== '') {
    return [
      wrong(`fit wrote other tensors than it was given: ${difference}`, 'keep names, shapes and dtypes'),
    ]
  }
  if (update.notFinite !== '')
    return [
      wrong(`${update.notFinite}, after fit: a run would reject the update`, 'check for diverged training'),
    ]
  if (update.digest === base.digest)
    return [note('fit changed nothing: it wrote the parameters that it received')]
  return [fine('fit wrote the tensors that it received, all finite')]
}

/** The finding on the weight of an update. */
export function judgeWeight(numExamples: number): Finding {
  if (Number.isInteger(numExamples) && numExamples >= 1 && numExamples <= MAX_NUM_EXAMPLES) {
    return fine(`fit reports ${numExamples} examples`)
  }
  return wrong(
    `fit's num_examples is ${numExamples}`,
    `return the weight of the update: a whole number from 1 to ${MAX_NUM_EXAMPLES}`,
  )
}

/** The finding on a second fit with the same parameters, config and seed. */
export function judgeRepetition(first: Contents, second: Contents): Finding {
  if (first.digest === second.digest) return fine('a repeated call wrote the same bytes')
  return note(
    'a repeated call wrote other bytes: a repeated round would result in another model',
    'derive all random numbers from config.seed',
  )
}
