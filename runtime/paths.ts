// What a path names, as far as this process may see it. Both follow links: a link to nothing names nothing.
import { access, constants } from 'node:fs/promises'

/** Whether a file or folder has this path. */
export function exists(path: string): Promise<boolean> {
  return isAccessible(path, constants.F_OK)
}

/** Whether this process may execute the file. */
export function isExecutable(path: string): Promise<boolean> {
  return isAccessible(path, constants.X_OK)
}

function isAccessible(path: string, mode: number): Promise<boolean> {
  return access(path, mode).then(
    () => true,
    () => false,
  )
}
