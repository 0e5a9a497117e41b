// The security contexts of every pod of a job. They meet the level "restricted" of the Pod Security Standards.
import type { Json } from '../../objects/shapes.ts'

/** The user of our images; of all containers of a pod, so that volumes are writable by each. */
const USER = 65532
/** Pod Security "restricted". */
export const POD_SECURITY: Json = {
  runAsNonRoot: true,
  runAsUser: USER,
  runAsGroup: USER,
  fsGroup: USER,
  seccompProfile: { type: 'RuntimeDefault' },
}
/** Of a container that a user's template adds: it may write to its own root file system. */
export const ADDED_CONTAINER_SECURITY: Json = {
  allowPrivilegeEscalation: false,
  capabilities: { drop: ['ALL'] },
}
export const CONTAINER_SECURITY: Json = { ...ADDED_CONTAINER_SECURITY, readOnlyRootFilesystem: true }
