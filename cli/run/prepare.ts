// What is checked of every job before a local run writes a byte: whether this version can run it. All that is wrong is reported at
// once. The output folder is the matter of output-folder.ts.
import { selectionOf } from '#coordinator/settings/from-spec.ts'
import { checkInitialFile } from '#coordinator/start/initial-file.ts'
import { FedsamError } from '#protocol/errors.ts'
import type { CompleteFederatedJobSpec } from '#protocol/generated/federatedjob.ts'
import { unsupportedFields, unsupportedText } from '#protocol/unsupported.ts'

/** Features of the resource that a run on this machine does not have. Throws InvalidJob naming all of them. */
export function refuseUnsupported(spec: CompleteFederatedJobSpec): void {
  const suspended = { says: 'spec.suspend: the job is suspended', remedy: 'set it to false to run it' }
  const all = [...unsupportedFields(spec), ...(spec.suspend ? [suspended] : [])]
  if (all.length > 0) throw new FedsamError('InvalidJob', unsupportedText(all))
}

/** Without an image that is held out nobody evaluates. `heldOut`: how many each partition holds out. Throws InvalidJob. */
export function refuseNothingHeldOut(
  { evaluation }: CompleteFederatedJobSpec,
  heldOut: readonly { readonly name: string; readonly count: number }[],
): void {
  if (evaluation == null || heldOut.some(({ count }) => count > 0)) return
  const names = heldOut.map(({ name }) => name).join(', ')
  throw new FedsamError(
    'InvalidJob',
    `spec.evaluation: is set, but none of the partitions ${names} holds an image out`,
    { remedy: 'raise dataset.heldOutFraction, or remove evaluation' },
  )
}

/** model.initialParameters can be read and, for the built-in trainer, has the tensors that train. Throws BadCheckpoint. */
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
