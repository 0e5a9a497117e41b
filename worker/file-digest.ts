// The SHA-256 of a file, in bounded memory.
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'

/** Lower-case hexadecimal; undefined where there is no file. */
export async function sha256OfFile(file: string): Promise<string | undefined> {
  if ((await stat(file).catch(() => null)) === null) return undefined
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(chunk)
  return hash.digest('hex')
}
