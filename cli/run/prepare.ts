// Checks of every job before a local run writes anything: can this version run it? One error names all faults. output-folder.ts
// checks the output folder.
import { selectionOf } from '#coordinator/settings/from-spec.ts'
import { checkInitialFile } from '#coordinator/start/initial-file.ts'
import { FedsamError } from '#protocol/errors.ts'
import type { CompleteFederatedJobSpec } from '#protocol/generated/federatedjob.ts'

/** Throws InvalidJob for a job that is suspended: nobody resumes it on this machine. */
export function refuseSuspended(spec: CompleteFederatedJobSpec): void {
  if (!spec.suspend) return
  throw new FedsamError('InvalidJob', 'spec.suspend: the job is suspended', {
    remedy: 'set it to false to run the job',
  })
}

/** A job with an evaluation needs held-out images. `heldOut`: their number per partition. Throws InvalidJob. */
export function refuseNothingHeldOut(
  { evaluation }: CompleteFederatedJobSpec,
  heldOut: readonly { readonly name: string; readonly count: number }[],
): void {
  if (evaluation == null || heldOut.some(({ count }) => count > 0)) return
  const names = heldOut.map(({ name }) => name).join(', ')
  throw new FedsamError(
    'InvalidJob',
    `spec.evaluation is set, but the partitions ${names} hold out no image`,
    { remedy: 'raise dataset.heldOutFraction of a partition, or remove spec.evaluation' },
  )
}

/** Checks that model.initialParameters is readable and, for the built-in trainer, has the trained tensors. Throws BadCheckpoint. */
export async function checkInitialParameters(
  spec: CompleteFederatedJobSpec,
  checkpoint: string | null,
): Promise<void> {
  const { initialParameters } = spec.model
  if (initialParameters === '') return
  const select = selectionOf(spec)
  const base = select === null || checkpoint === null ? null : { folder: checkpoint, select }
  await checkInitialFile(initialParameters, base)
}
