// A process of its own for bench/fold.ts: folds (or only reads) prepared updates and prints time and memory as JSON.
// Usage: node fold-process.ts fold|read WORK.json

import { readFile } from 'node:fs/promises'
import { type FoldRequest, fold } from '#coordinator/aggregation/fold.ts'
import { strategyFrom } from '#coordinator/strategies/presets.ts'
import { openFilesystemStore } from '#transport/filesystem.ts'
import type { ObjectStore } from '#transport/ports.ts'

/** What there is to fold. `folder` is the store's. */
export interface FoldWork extends Pick<FoldRequest, 'list' | 'base' | 'updates' | 'memoryBytes'> {
  readonly folder: string
}

export interface FoldMeasurement {
  readonly seconds: number
  /** Resident bytes before the work. */
  readonly idleBytes: number
  /** Most resident bytes in the life of the process. */
  readonly peakBytes: number
}

const READ_BYTES = 16 * 2 ** 20

async function readAll(store: ObjectStore, { base, updates }: FoldWork): Promise<void> {
  for (const { key, size } of [base, ...updates.map(({ payload }) => payload)]) {
    for (let offset = 0; offset < size; offset += READ_BYTES) {
      await store.get(key, { offset, length: Math.min(READ_BYTES, size - offset) })
    }
  }
}

const [what, file] = process.argv.slice(2)
const work = JSON.parse(await readFile(file!, 'utf8')) as FoldWork
const store = await openFilesystemStore({ folder: work.folder, durable: false })
const idleBytes = process.memoryUsage.rss()
const began = performance.now()
if (what === 'read') await readAll(store, work)
else
  await fold({
    ...work,
    store,
    strategy: strategyFrom({ type: 'FedAvg' }),
    state: null,
    round: 1,
    attempt: 1,
  })
const seconds = (performance.now() - began) / 1000
const measurement: FoldMeasurement = { seconds, idleBytes, peakBytes: process.resourceUsage().maxRSS * 1024 }
console.log(JSON.stringify(measurement))
