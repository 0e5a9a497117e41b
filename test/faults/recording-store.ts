// Says before and after each write to a store what is about to happen and what has: to list the writes of a run, and to
// end the process, or throw, at any one of them. A hook that throws is the fault: thrown before, the write does not
// happen; thrown after, it has happened and its writer does not learn it.

import type { GrantedTransfers, ObjectStore } from '#transport/ports.ts'

export type WriteOperation =
  | 'put'
  | 'write'
  | 'delete'
  | 'openUpload'
  | 'completeUpload'
  | 'abortUpload'
  | 'grantedWrite'

/** `index` counts from 0 in the order in which the writes began; `key` is the URL's path for a granted write. */
export type OnWrite = (
  index: number,
  operation: WriteOperation,
  key: string,
  phase: 'before' | 'after',
) => void | Promise<void>

/** The same store, with every write of this handle reported. Writes of workers pass by it: see recordingTransfers. */
export function recordingStore(store: ObjectStore, onWrite: OnWrite): ObjectStore {
  const report = reporter(onWrite)
  return {
    ...store,
    put: (key, body) => report('put', key, () => store.put(key, body)),
    write: (key, size, chunks) => report('write', key, () => store.write(key, size, chunks)),
    delete: (key) => report('delete', key, () => store.delete(key)),
    openUpload: (key) => report('openUpload', key, () => store.openUpload(key)),
    completeUpload: (key, upload, parts) =>
      report('completeUpload', key, () => store.completeUpload(key, upload, parts)),
    abortUpload: (key, upload) => report('abortUpload', key, () => store.abortUpload(key, upload)),
  }
}

/** The same for what is written with grants. */
export function recordingTransfers(transfers: GrantedTransfers, onWrite: OnWrite): GrantedTransfers {
  const report = reporter(onWrite)
  return {
    ...transfers,
    write: (grant, body, digest) =>
      report('grantedWrite', new URL(grant.url).pathname, () => transfers.write(grant, body, digest)),
  }
}

function reporter(onWrite: OnWrite) {
  let writes = 0
  return async <Result>(
    operation: WriteOperation,
    key: string,
    write: () => Promise<Result>,
  ): Promise<Result> => {
    const index = writes++
    await onWrite(index, operation, key, 'before')
    const result = await write()
    await onWrite(index, operation, key, 'after')
    return result
  }
}
