// The coordinator's part of the status, as far as it may be believed.
import type { TrainingStatus } from '#protocol/generated/federatedjob.ts'
import type { Observed } from './contract.ts'

/** What the coordinator says of this very job; an earlier job of the same name says nothing. */
export function trainingOf({ job }: Observed): TrainingStatus | undefined {
  const training = job.status?.training
  return training?.uid === job.metadata.uid ? training : undefined
}
