// Small picture files and data sets for tests, written bit by bit so that depth, palette and damage are as asked.
// Used by tests only.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { TestContext } from 'node:test'
import { crc32, deflateSync } from 'node:zlib'
import type { DatasetSpec } from '#worker/data/dataset.ts'

/** PNG colour types. */
export const GREY = 0
export const RGB = 2
export const PALETTE = 3

/** A PNG of `samples` [height, width · channels]; rows are packed at `depth` bits. */
export function png(picture: {
  readonly width: number
  readonly samples: readonly number[]
  readonly depth?: 1 | 2 | 4 | 8 | 16
  readonly colour?: number
  readonly interlaced?: boolean
}): Buffer {
  const { width, samples, depth = 8, colour = GREY, interlaced = false } = picture
  const perRow = width * (colour === RGB ? 3 : 1)
  const height = samples.length / perRow
  const rowBytes = Math.ceil((perRow * depth) / 8)
  const raw = Buffer.alloc(height * (rowBytes + 1))
  samples.forEach((sample, i) => {
    const row = Math.floor(i / perRow) * (rowBytes + 1) + 1
    const bit = (i % perRow) * depth
    if (depth === 16) raw.writeUInt16BE(sample, row + bit / 8)
    else raw[row + Math.floor(bit / 8)]! |= sample << (8 - depth - (bit % 8))
  })
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header.set([depth, colour, 0, 0, interlaced ? 1 : 0], 8)
  const palette = Buffer.from(Array.from({ length: 3 * 2 ** Math.min(depth, 8) }, (_, i) => (i * 37) % 256))
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk('IHDR', header),
    ...(colour === PALETTE ? [chunk('PLTE', palette)] : []),
    chunk('IDAT', deflateSync(raw)),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

/** Writes another size into a PNG's header, with its checksum; the pixels stay as they are. */
export function pngHeader(content: Buffer, size: { readonly width: number; readonly height: number }): void {
  content.writeUInt32BE(size.width, 16)
  content.writeUInt32BE(size.height, 20)
  content.writeUInt32BE(crc32(content.subarray(12, 29)), 29)
}

function chunk(type: string, content: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), content])
  const frame = Buffer.alloc(8)
  frame.writeUInt32BE(content.length, 0)
  frame.writeUInt32BE(crc32(body), 4)
  return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)])
}

/** A folder of its own for a test, with these files, removed afterwards. */
export async function folderOf(
  t: TestContext,
  files: Readonly<Record<string, Uint8Array | string>>,
): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-data-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true })
    await writeFile(join(folder, name), content)
  }
  return folder
}

/** A specification with the API's defaults. */
export function specOf(fields: Partial<DatasetSpec> = {}): DatasetSpec {
  return {
    root: 'data',
    layout: 'Folders',
    imageSubfolder: 'images',
    annotationSubfolder: 'masks',
    annotationsFile: '',
    labels: [],
    groupPattern: '',
    heldOutFraction: 0.2,
    ...fields,
  }
}
