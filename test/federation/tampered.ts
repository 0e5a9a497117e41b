// A finished record in memory for tests that tamper with it: every object by its key, changes of single markers, and a rewrite of
// everything that follows from a changed marker, as a hostile coordinator or the owner of a bucket could make it.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { meanMetrics } from '#coordinator/aggregation/evaluation.ts'
import { fold } from '#coordinator/aggregation/fold.ts'
import { payloadOf } from '#coordinator/record/marker-facts.ts'
import { openMarkers, readRecord } from '#coordinator/record/markers.ts'
import { writeOutput } from '#coordinator/record/output.ts'
import { readProgress } from '#coordinator/record/progress.ts'
import { ruleOf } from '#coordinator/record/verify-round.ts'
import { strategyFrom } from '#coordinator/strategies/registry.ts'
import { encodeJson } from '#protocol/canonical.ts'
import { sha256 } from '#protocol/digest.ts'
import { attemptKeys, RUN_KEY, resultKey } from '#protocol/keys.ts'
import { type Records, readMarker } from '#protocol/record.ts'
import { writeSafetensors } from '#protocol/safetensors.ts'
import { createGrantedTransfers } from '#transport/grants/transfers.ts'
import type { ObjectStore } from '#transport/ports.ts'
import { createMemoryStore } from '../given/memory-store.ts'
import { type FederationOptions, runFederation } from './federation.ts'

/** Every object of a record by its key. */
export type Objects = Map<string, Uint8Array>

/** Runs a federation of three clients with a base checkpoint, a server optimizer, and the whole checkpoint in its output. */
export async function finishedRecord(options: Partial<FederationOptions> = {}): Promise<Objects> {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-base-'))
  try {
    const frozen = { name: 'frozen', shape: [4], dtype: 'F32', data: new Uint8Array(16) } as const
    await writeFile(join(folder, 'model.safetensors'), writeSafetensors([frozen]))
    await writeFile(join(folder, 'config.json'), '{"model_type": "toy"}')
    const memory = createMemoryStore()
    const { fixed, ...others } = options
    const { error } = await runFederation({
      clients: ['a', 'b', 'c'],
      rounds: 3,
      size: 100,
      store: memory,
      transfers: createGrantedTransfers({ memory }),
      ...others,
      fixed: {
        strategy: { type: 'FedAdam' },
        base: { uri: 'toy', folder },
        spec: { output: { fullCheckpoint: true } },
        ...fixed,
      },
    })
    if (error !== null) throw error
    return objectsOf(memory)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function objectsOf(store: ObjectStore): Promise<Objects> {
  const objects: Objects = new Map()
  for (const key of (await store.list(''))!) objects.set(key, (await store.get(key))!)
  return objects
}

export async function storeOf(objects: Objects): Promise<ObjectStore> {
  const store = createMemoryStore()
  for (const [key, bytes] of objects) await store.put(key, bytes)
  return store
}

/** Writes the record below a folder, as a run on this machine leaves it. */
export async function writeInto(folder: string, objects: Objects): Promise<void> {
  for (const [key, bytes] of objects) {
    await mkdir(dirname(join(folder, key)), { recursive: true })
    await writeFile(join(folder, key), bytes)
  }
}

export function markerOf<K extends keyof Records>(objects: Objects, kind: K, key: string): Records[K] {
  return readMarker(kind, key, objects.get(key)!)
}

/** Replaces a marker by a changed one. */
export function changed<K extends keyof Records>(
  objects: Objects,
  kind: K,
  key: string,
  change: (marker: Records[K]) => object,
): void {
  objects.set(key, encodeJson(change(markerOf(objects, kind, key))))
}

/** Replaces a payload and everything that names its digest in the result of its round. */
export function replaceModel(objects: Objects, round: number, bytes: Uint8Array): void {
  changed(objects, 'result', resultKey(round), (result) => {
    objects.set(result.model.key, bytes)
    const digest = sha256(bytes)
    return { ...result, model: { ...result.model, size: bytes.length, sha256: digest, blocks: [digest] } }
  })
}

function modelOf(objects: Objects, round: number) {
  const { model, state } = markerOf(objects, 'result', resultKey(round))
  return { model, state }
}

/** Corrects every digest that names a changed marker, round by round, and writes the output again. */
export async function rechain(objects: Objects): Promise<void> {
  let previous: string | null = null
  let base: object | null = null
  for (let round = 0; objects.has(resultKey(round)); round += 1) {
    const key = resultKey(round)
    const { attempt } = markerOf(objects, 'result', key)
    const keys = attemptKeys(round, attempt)
    const from = base
    changed(objects, 'plan', keys.plan, (plan) => ({ ...plan, base: from }))
    const last = previous
    changed(objects, 'result', key, (result) => ({
      ...result,
      previous: last,
      run: sha256(objects.get(RUN_KEY)!),
      plan: sha256(objects.get(keys.plan)!),
      decision: sha256(objects.get(keys.decision)!),
      ...(markerOf(objects, 'plan', keys.plan).kind === 'Evaluate' ? modelOf(objects, round - 1) : {}),
    }))
    previous = sha256(objects.get(key)!)
    base = { round, payload: markerOf(objects, 'result', key).model }
  }
  for (const key of [...objects.keys()]) if (key.startsWith('output/')) objects.delete(key)
  const store = await storeOf(objects)
  const run = (await readRecord(store, 'run', RUN_KEY))!
  const markers = openMarkers(store, 1, run)
  await writeOutput(markers, ruleOf(run.value), await readProgress(markers), null)
  for (const [key, bytes] of await objectsOf(store)) objects.set(key, bytes)
}

/** Corrects the receipt's digest in the decision of its round. */
export function renameReceipt(objects: Objects, round: number, client: string): void {
  const keys = attemptKeys(round, 1)
  const receipt = sha256(objects.get(keys.receipt(client))!)
  changed(objects, 'decision', keys.decision, (decision) => {
    if (decision.kind !== 'Closed') return decision
    const named = <E extends { client: string }>(entry: E): E =>
      entry.client === client ? { ...entry, receipt } : entry
    return {
      ...decision,
      updates: decision.updates.map(named),
      evaluations: decision.evaluations.map(named),
      ...(decision.states === undefined ? {} : { states: decision.states.map(named) }),
    }
  })
}

/** Folds the updates that the decision of a round counts, as an honest coordinator would, and puts model and state into its result. */
export async function refold(objects: Objects, round: number): Promise<void> {
  const keys = attemptKeys(round, 1)
  const decision = markerOf(objects, 'decision', keys.decision)
  if (decision.kind !== 'Closed') return
  const updates = decision.updates.map(({ client, numExamples }) => {
    const receipt = markerOf(objects, 'receipt', keys.receipt(client))
    return { client, numExamples, payload: payloadOf(receipt)!, metrics: receipt.update!.metrics }
  })
  const { model: base, state, tensors: list } = markerOf(objects, 'result', resultKey(round - 1))
  const { strategy } = markerOf(objects, 'plan', keys.plan)
  for (const key of [keys.model, keys.state]) objects.delete(key)
  const store = await storeOf(objects)
  const folded = await fold({
    ...{ store, list, base, state, updates, round, attempt: 1 },
    strategy: strategyFrom(strategy as { type: string }),
    memoryBytes: 2 ** 26,
  })
  for (const key of [keys.model, keys.state]) objects.set(key, (await store.get(key))!)
  changed(objects, 'result', resultKey(round), (result) => ({
    ...result,
    ...{ model: folded.model, state: folded.state, metrics: meanMetrics(updates) },
  }))
}
