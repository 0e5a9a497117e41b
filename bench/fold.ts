// The fold of a full SAM ViT-B: 375 MB of parameters, 8 clients, on the filesystem store. How much memory the coordinator
// takes beyond its idle size, and how fast it is beside a plain read of the same bytes. Needs 8 GB of temporary space.

import { execFile } from 'node:child_process'
import { mkdtemp, rm, statfs, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { blockHasher } from '#protocol/digest.ts'
import { attemptKeys } from '#protocol/keys.ts'
import type { PayloadRef } from '#protocol/record.ts'
import { canonicalHeader } from '#protocol/safetensors.ts'
import { type TensorList, tensorBytes } from '#protocol/tensors.ts'
import type { ObjectStore } from '#transport/ports.ts'
import { openFilesystemStore } from '#transport/store/filesystem/store.ts'
import type { Figure, Row } from './figure.ts'
import type { FoldMeasurement, FoldWork } from './fold-process.ts'

const CLIENTS = 8
const TARGET_MB = 200
/** The default of coordinator.memoryBytes. */
const MEMORY_BYTES = 512 * 2 ** 20

/** As many parameters as SAM ViT-B has, in twelve tensors. */
const LIST: TensorList = Array.from({ length: 12 }, (_, i) => ({
  name: `block.${String(i).padStart(2, '0')}`,
  shape: [7_811_289],
  dtype: 'F32',
  rule: 'Optimise',
}))

/** The first is the one with the target; the others keep more: state of two vectors, all updates side by side. */
const STRATEGIES = ['FedAvg', 'FedAdam', 'FedMedian'] as const
const CHUNK_BYTES = 8 * 2 ** 20
const PERIOD = 8191
const PATTERN = new Uint8Array(
  Float32Array.from({ length: CHUNK_BYTES / 4 + PERIOD }, (_, i) => ((i * 7919) % PERIOD) / 1e5).buffer,
)

export const foldMemory: Figure = {
  name: 'fold',
  async run() {
    const folder = await mkdtemp(join(tmpdir(), 'fedsam-bench-'))
    try {
      const { bavail, bsize } = await statfs(folder)
      if (bavail * bsize < 8e9)
        throw new Error(`${folder} has less than 8 GB free; set TMPDIR to a larger disk`)
      const work = await prepare(folder)
      const file = join(folder, 'work.json')
      await writeFile(file, JSON.stringify(work))
      // One process each: a peak is of the whole life of a process.
      const read = await measure(file, 'read')
      const [average, ...others] = await inTurn(STRATEGIES, (strategy) => measure(file, strategy))
      return [
        ...rows(average!, read, work),
        ...others.map((measured, i) => memoryRow(STRATEGIES[i + 1]!, measured, MEMORY_BYTES / 1e6)),
      ]
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  },
}

async function inTurn<A, B>(values: readonly A[], run: (value: A) => Promise<B>): Promise<B[]> {
  const results: B[] = []
  for (const value of values) results.push(await run(value))
  return results
}

function memoryRow(strategy: string, { peakBytes, idleBytes }: FoldMeasurement, limit: number): Row {
  const above = (peakBytes - idleBytes) / 1e6
  return {
    what: `${strategy}: memory above idle`,
    value: `${above.toFixed(0)} MB`,
    against: `target below ${limit.toFixed(0)} MB; idle ${(idleBytes / 1e6).toFixed(0)} MB`,
    met: above < limit,
  }
}

function rows(fold: FoldMeasurement, read: FoldMeasurement, { base, updates }: FoldWork): Row[] {
  const gigabytes = (base.size + updates.reduce((sum, { payload }) => sum + payload.size, 0)) / 1e9
  const rate = ({ seconds }: FoldMeasurement): number => (1000 * gigabytes) / seconds
  return [
    memoryRow(STRATEGIES[0], fold, TARGET_MB),
    {
      what: `${CLIENTS} updates of ${(base.size / 1e6).toFixed(0)} MB to a model`,
      value: `${fold.seconds.toFixed(1)} s`,
      against: `${rate(fold).toFixed(0)} MB/s; a plain read of the same bytes from the page cache ${rate(read).toFixed(0)} MB/s`,
      met: true,
    },
    {
      what: 'processor time',
      value: `${(fold.processorSeconds / gigabytes).toFixed(1)} s/GB`,
      against: `the plain read ${(read.processorSeconds / gigabytes).toFixed(1)} s/GB, SHA-256 alone ${read.digestSecondsPerGB.toFixed(1)} s/GB`,
      met: true,
    },
  ]
}

async function prepare(folder: string): Promise<FoldWork> {
  const store = await openFilesystemStore({ folder: join(folder, 'store'), durable: false })
  const base = await storePayload(store, attemptKeys(0, 1).model, 0)
  const updates = []
  for (let k = 1; k <= CLIENTS; k++) {
    const key = attemptKeys(1, 1).payload(`site-${k}`, '0123456789abcdef')
    updates.push({
      client: `site-${k}`,
      numExamples: 100 + k,
      metrics: {},
      payload: await storePayload(store, key, k),
    })
  }
  await store.close()
  return { folder: join(folder, 'store'), list: LIST, base, updates, memoryBytes: MEMORY_BYTES }
}

/** A payload of plausible weights: small numbers that differ by client and place. */
async function storePayload(store: ObjectStore, key: string, seed: number): Promise<PayloadRef> {
  const header = canonicalHeader(LIST)
  const size = header.length + LIST.reduce((sum, tensor) => sum + tensorBytes(tensor), 0)
  const hasher = blockHasher()
  async function* chunks(): AsyncGenerator<Uint8Array> {
    hasher.update(header)
    yield header
    for (let left = size - header.length, chunk = 0; left > 0; chunk++) {
      const first = 4 * ((seed * 31 + chunk * 17) % PERIOD)
      const bytes = PATTERN.subarray(first, first + Math.min(CHUNK_BYTES, left))
      hasher.update(bytes)
      yield bytes
      left -= bytes.length
    }
  }
  await store.write(key, size, chunks())
  const { sha256, blocks } = hasher.finish()
  return { key, size, sha256, blocks: [...blocks] }
}

async function measure(work: string, what: (typeof STRATEGIES)[number] | 'read'): Promise<FoldMeasurement> {
  const program = new URL('./fold-process.ts', import.meta.url).pathname
  const { stdout } = await promisify(execFile)(process.execPath, [program, what, work])
  return JSON.parse(stdout) as FoldMeasurement
}
