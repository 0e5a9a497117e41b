// Multipart uploads of a filesystem store: a folder per upload, a file per part, joined into one object at the end. Guarantees: a
// part exists completely or not at all; a part that is sent twice replaces the earlier one; an upload survives a crash.

import { createReadStream } from 'node:fs'
import { readdir, readFile, rename, rm, stat, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { FedsamError } from '#protocol/errors.ts'
import { makeFolders } from '#runtime/folders.ts'
import { UploadGone, type UploadPart, type WriteTerms } from '../../ports.ts'
import { checkKey } from '../key.ts'
import { type Folder, guarded, internalPath, pathOf, publish, writeTemporary } from './files.ts'

/** The name of a part's file contains number, size and digest, so that listing parts reads no file. */
const PART = /^part-(\d+)-(\d+)-([0-9a-f]{64})$/
const partName = (part: UploadPart): string => `part-${part.number}-${part.size}-${part.tag}`

export function uploadsOf(folder: Folder) {
  return {
    async openUpload(key: string) {
      checkKey(key)
      const upload = crypto.randomUUID()
      const path = uploadPath(folder, upload)
      await guarded(folder, makeFolders(path))
      await guarded(folder, writeFile(join(path, 'key'), key))
      return upload
    },
    async openUploads(prefix: string) {
      const names = await readdir(internalPath(folder, 'uploads')).catch(() => [])
      const found = await Promise.all(
        names.map(async (upload) => ({ upload, key: await keyOf(folder, upload) })),
      )
      return found.flatMap(({ upload, key }) => (key?.startsWith(prefix) ? [{ key, upload }] : []))
    },
    async uploadedParts(key: string, upload: string) {
      const path = await findUpload(folder, checkKey(key), upload)
      return partsIn(await guarded(folder, readdir(path)))
    },
    async completeUpload(key: string, upload: string, parts: readonly UploadPart[]) {
      try {
        const path = await findUpload(folder, checkKey(key), upload)
        const held = new Set(await guarded(folder, readdir(path)))
        const lost = parts.find((part) => !held.has(partName(part)))
        if (lost)
          throw new FedsamError(
            'RecordDamaged',
            `part ${lost.number} of ${key} is not the part that the completion names`,
          )
        const files = parts.map((part) => join(path, partName(part)))
        const written = await publish(folder, await writeTemporary(folder, joined(files)), key)
        await rm(path, { recursive: true, force: true })
        return written
      } catch (error) {
        if (error instanceof UploadGone && (await isFile(folder, key))) return 'Exists' as const
        throw error
      }
    },
    async abortUpload(_key: string, upload: string) {
      await guarded(folder, rm(uploadPath(folder, upload), { recursive: true, force: true }))
    },
  }
}

function uploadPath(folder: Folder, upload: string): string {
  if (!/^[0-9a-f-]{36}$/.test(upload))
    throw new TypeError(`not the name of an upload: ${upload.slice(0, 100)}`)
  return internalPath(folder, 'uploads', upload)
}

async function keyOf(folder: Folder, upload: string): Promise<string | undefined> {
  return readFile(internalPath(folder, 'uploads', upload, 'key'), 'utf8').catch(() => undefined)
}

async function findUpload(folder: Folder, key: string, upload: string): Promise<string> {
  const path = uploadPath(folder, upload)
  if ((await keyOf(folder, upload)) !== key) throw new UploadGone(`${key} has no open upload ${upload}`)
  return path
}

async function isFile(folder: Folder, key: string): Promise<boolean> {
  return stat(pathOf(folder, key)).then(
    (found) => found.isFile(),
    () => false,
  )
}

function partsIn(names: readonly string[]): UploadPart[] {
  const parts = names.flatMap((name) => {
    const [, number, size, tag] = PART.exec(name) ?? []
    return tag ? [{ number: Number(number), size: Number(size), tag, sha256: tag }] : []
  })
  return parts.sort((a, b) => a.number - b.number)
}

async function* joined(files: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const file of files) yield* createReadStream(file, { highWaterMark: 1 << 20 })
}

/** Adds a part, which the caller has checked against its terms, to its upload. Throws UploadGone. */
export async function addPart(
  folder: Folder,
  at: { readonly key: string; readonly upload: string; readonly number: number },
  body: { readonly terms: WriteTerms; readonly bytes: Uint8Array },
): Promise<void> {
  const path = await findUpload(folder, at.key, at.upload)
  const name = partName({ number: at.number, size: body.terms.size, tag: body.terms.sha256 })
  const temporary = await writeTemporary(folder, [body.bytes])
  const others = (await readdir(path)).filter(
    (other) => other.startsWith(`part-${at.number}-`) && other !== name,
  )
  for (const other of others) await unlink(join(path, other)).catch(() => {})
  try {
    await rename(temporary, join(path, name))
  } catch {
    await unlink(temporary).catch(() => {})
    throw new UploadGone(`${at.key} has no open upload ${at.upload}`)
  }
}
