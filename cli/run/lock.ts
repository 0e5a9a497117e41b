// Allows one run at a time on one output folder. Readers (export, verify) need no lock.
import { type FolderLock, lockFolder } from '#runtime/folder-lock.ts'

const REMEDIES = {
  inUse: 'wait until that run has ended, or name another folder with --output',
  unwritable: 'name a folder that you can write to with --output',
}

/** Takes the lock at once, or throws OutputInUse with the process that holds it. Creates the folder. */
export function lockOutput(output: string): Promise<FolderLock> {
  return lockFolder(output, REMEDIES)
}
