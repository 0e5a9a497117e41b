// A process of its own for bench/fold.ts: folds (or only reads) prepared updates and prints time and memory as JSON.
// Usage: node fold-process.ts read|FedAvg|… WORK.json

import { readFile } from 'node:fs/promises'
import { type FoldRequest, fold } from '#coordinator/aggregation/fold.ts'
import { strategyFrom } from '#coordinator/strategies/registry.ts'
import { sha256 } from '#protocol/digest.ts'
import { attemptKeys } from '#protocol/keys.ts'
import { tuneEngine } from '#runtime/engine.ts'
import type { ObjectStore } from '#transport/ports.ts'
import { openFilesystemStore } from '#transport/store/filesystem/store.ts'
import { peakRss } from '../test/peak-memory.ts'

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
  /** User and system time of all threads. */
  readonly processorSeconds: number
  /** What one pass of SHA-256 costs on this machine. */
  readonly digestSecondsPerGB: number
}

const READ_BYTES = 16 * 2 ** 20

async function readAll(store: ObjectStore, { base, updates }: FoldWork): Promise<void> {
  for (const { key, size } of [base, ...updates.map(({ payload }) => payload)]) {
    for (let offset = 0; offset < size; offset += READ_BYTES) {
      await store.get(key, { offset, length: Math.min(READ_BYTES, size - offset) })
    }
  }
}

function digestSpeed(): number {
  const bytes = new Uint8Array(64 * 2 ** 20)
  const began = process.cpuUsage()
  sha256(bytes)
  return (secondsOf(process.cpuUsage(began)) / bytes.length) * 1e9
}

function secondsOf({ user, system }: NodeJS.CpuUsage): number {
  return (user + system) / 1e6
}

// As the coordinator's own program does.
tuneEngine()
const [what, file] = process.argv.slice(2)
const work = JSON.parse(await readFile(file!, 'utf8')) as FoldWork
const store = await openFilesystemStore({ folder: work.folder, durable: false })
const idleBytes = process.memoryUsage.rss()
const began = performance.now()
const used = process.cpuUsage()
if (what === 'read') await readAll(store, work)
else {
  const attempt = process.pid // a key of its own
  await fold({ ...work, store, strategy: strategyFrom({ type: what! }), state: null, round: 1, attempt })
  await store.delete(attemptKeys(1, attempt).model)
  await store.delete(attemptKeys(1, attempt).state)
}
const seconds = (performance.now() - began) / 1000
const processorSeconds = secondsOf(process.cpuUsage(used))
const peakBytes = peakRss()
const measurement: FoldMeasurement = {
  seconds,
  idleBytes,
  peakBytes,
  processorSeconds,
  digestSecondsPerGB: digestSpeed(),
}
console.log(JSON.stringify(measurement))
