// A client with a figure far above those of the others in its round, and the sentence that says so. The coordinator finds outliers
// (coordinator/rounds/outliers.ts); status, conditions, lines and report show them. Pure.

/** The norm of the client's update, or the loss that it measured for the round's base. */
export interface Outlier {
  readonly client: string
  readonly measure: 'Norm' | 'Loss'
  readonly value: number
  /** Of the same figure over all clients of the round. */
  readonly median: number
}

/** "the norm of its update is 812, the median of the round is 7.1" */
export function outlierText({ measure, value, median }: Omit<Outlier, 'client'>): string {
  const figure = measure === 'Norm' ? 'the norm of its update' : 'its loss'
  return `${figure} is ${shortNumber(value)}, the median of the round is ${shortNumber(median)}`
}

/** A number in four digits, for a sentence. */
export function shortNumber(value: number): string {
  return String(Number(value.toPrecision(4)))
}
