// Certifies the key of a job's coordinator: that of the newest epoch which a coordinator of this very job reported. The admission
// policy keeps everybody but the coordinator from writing that key. Pure: the same key and the same report give the same certificate.
import { type CoordinatorCertificate, certify } from '#protocol/certificate.ts'
import type { TrainingStatus } from '#protocol/generated/federatedjob.ts'
import type { SigningKey } from '#protocol/signatures.ts'
import type { StoredJob } from '../objects/shapes.ts'

/** `training`: the report about this job. Undefined where it names no key, or not the key of its own epoch. */
export function certificateFor(
  { metadata }: StoredJob,
  training: TrainingStatus | undefined,
  certifier: SigningKey,
): CoordinatorCertificate | undefined {
  if (training?.key === undefined || training.key.epoch !== training.epoch) return undefined
  const { uid, namespace, name } = metadata
  const { epoch, publicKey } = training.key
  return certify(certifier, { uid, namespace, name, epoch, key: publicKey })
}
