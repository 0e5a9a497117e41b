// Folders of this machine as claims of a cluster whose one node is this machine.
import { cp } from 'node:fs/promises'
import { join } from 'node:path'

export interface ClaimedFolder {
  /** Takes the copy that pods read. */
  readonly folder: string
  readonly namespace: string
  /** Of the claim. */
  readonly name: string
  /** What is copied. */
  readonly from: string
  /** Of the volume, which is in no namespace. */
  readonly labels?: Readonly<Record<string, string>>
}

/** A volume over a copy of the folder, and the claim that it is kept for. */
export async function claimOf({
  folder,
  namespace,
  name,
  from,
  labels = {},
}: ClaimedFolder): Promise<object[]> {
  const path = join(folder, 'volumes', name)
  await cp(from, path, { recursive: true })
  const common = { accessModes: ['ReadOnlyMany'], storageClassName: '' }
  const volumeName = `${namespace}-${name}`
  const claimRef = { namespace, name }
  const volume = {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: volumeName, labels },
    spec: { ...common, capacity: { storage: '1Gi' }, hostPath: { path }, claimRef },
  }
  const claim = {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name, namespace },
    spec: { ...common, volumeName, resources: { requests: { storage: '1Gi' } } },
  }
  return [volume, claim]
}
