// Resolves paths below a data set's root. Guarantees that no file outside of the root is read: the real path of a file, with all
// links followed, must be inside the real path of the root. The root itself may be a link. Names match by their Unicode normal
// form C, because macOS and Linux store accents in different forms.
import type { Dirent } from 'node:fs'
import { readdir, realpath } from 'node:fs/promises'
import { join, normalize, sep } from 'node:path'
import { unusable } from './dataset.ts'
import { type RegularFile, readBytes, unopened, withRegularFile } from './regular-file.ts'

/** Size that an image or mask file may have, in bytes: an uncompressed RGB picture of 178 million pixels. */
export const MOST_PICTURE_BYTES = 2 ** 29

/**
 * The real path of `file`, a path relative to `root`. Throws FedsamError BadData where it leaves the root or does not
 * exist; the message continues a sentence that begins with the file's name.
 */
export async function locate(root: string, file: string): Promise<string> {
  const wanted = normalize(file)
  if (wanted === '..' || wanted.startsWith(`..${sep}`)) throw leavesRoot()
  const top = await realpath(root).catch((cause: unknown) => {
    throw unopened(cause)
  })
  const real = await resolveName(top, wanted)
  if (real !== top && !real.startsWith(top.endsWith(sep) ? top : top + sep)) throw leavesRoot()
  return real
}

/** Opens a file below the root for `use`. Throws FedsamError BadData: see locate and withRegularFile. */
export async function withFile<T>(
  root: string,
  file: string,
  mostBytes: number,
  use: (file: RegularFile) => Promise<T>,
): Promise<T> {
  return withRegularFile(await locate(root, file), mostBytes, use)
}

/** The content of a file below the root. Throws FedsamError BadData: see locate and withRegularFile. */
export async function readFileWithin(root: string, file: string, mostBytes: number): Promise<Uint8Array> {
  return withFile(root, file, mostBytes, ({ handle, size }) => readBytes(handle, 0, size))
}

/** The names in a folder below the root, without hidden ones. Throws FedsamError BadData: see locate. */
export async function listFolder(root: string, folder: string): Promise<Dirent[]> {
  const path = await locate(root, folder)
  const found = await readdir(path, { withFileTypes: true }).catch((cause: unknown) => {
    if ((cause as NodeJS.ErrnoException).code === 'ENOTDIR') {
      throw unusable('is a file', 'Name a folder.', cause)
    }
    throw unopened(cause)
  })
  return found.filter(({ name }) => !name.startsWith('.'))
}

/** The real path of top/wanted; where no name matches exactly, of the name with the same Unicode normal form. */
async function resolveName(top: string, wanted: string): Promise<string> {
  try {
    return await realpath(join(top, wanted))
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw unopened(cause)
    let path = top
    for (const step of wanted.split(sep).filter((step) => step !== '' && step !== '.')) {
      const names = await readdir(path).catch(() => [])
      const matching = names.filter((name) => name.normalize('NFC') === step.normalize('NFC'))
      if (matching.length !== 1) throw unopened(cause)
      path = join(path, matching[0]!)
    }
    return await realpath(path).catch((cause: unknown) => {
      throw unopened(cause)
    })
  }
}

function leavesRoot(): Error {
  return unusable(
    'leads outside of the root of the data set',
    'Copy the file below dataset.root, or name a root that holds it.',
  )
}
