// A job of seconds that trains a real, tiny SAM: two sites of four small pictures beside a checkpoint, all in one folder.
import { cp, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { encode } from 'fast-png'
import { ROOT } from './fedsam.ts'

const JOB = `apiVersion: fedsam.dev/v1alpha1
kind: FederatedJob
metadata: {name: two-sites}
spec:
  rounds: 1
  trainer:
    segmentAnything: {checkpoint: {uri: sam}, backend: CPU}
  partitions:
    - {name: a, dataset: {root: a}}
    - {name: b, dataset: {root: b}}
`

/** A PNG of 8 bits. */
export const picture = (
  width: number,
  height: number,
  channels: 1 | 3,
  value: (i: number) => number,
): Uint8Array =>
  encode({
    width,
    height,
    channels,
    depth: 8,
    data: Uint8Array.from({ length: width * height * channels }, (_, i) => value(i)),
  })

async function makeSite(folder: string): Promise<void> {
  await mkdir(join(folder, 'images'), { recursive: true })
  await mkdir(join(folder, 'masks'), { recursive: true })
  for (let i = 1; i <= 4; i += 1) {
    await writeFile(
      join(folder, 'images', `s${i}.png`),
      picture(24, 16, 3, (at) => (at * 7 + i) % 256),
    )
    await writeFile(
      join(folder, 'masks', `s${i}.png`),
      picture(24, 16, 1, (at) => (at % 24 > 5 && at % 24 < 15 ? 1 : 0)),
    )
  }
}

/** Writes job.yaml, sam/, a/ and b/ into the folder. */
export async function makeSamJob(dir: string): Promise<void> {
  await writeFile(join(dir, 'job.yaml'), JOB)
  await cp(join(ROOT, 'test/golden/sam/tiny-a'), join(dir, 'sam'), {
    recursive: true,
    filter: (path) => !/(inputs|expected|variants)\.safetensors$|meta\.json$/.test(path),
  })
  const processor = { size: { longest_edge: 128 }, pad_size: { height: 128, width: 128 } }
  await writeFile(join(dir, 'sam', 'preprocessor_config.json'), JSON.stringify(processor))
  await makeSite(join(dir, 'a'))
  await makeSite(join(dir, 'b'))
}
