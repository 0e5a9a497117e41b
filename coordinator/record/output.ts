// Writes the output bundle from the record alone: model, configuration, metrics, provenance and model card, and the manifest
// last. Its bytes are a function of the record: they hold no time, host or epoch. The signatures beside it are not: each coordinator
// that writes the output has a key of its own (output-signatures.ts).
import { encodeJson } from '#protocol/canonical.ts'
import { sha256 } from '#protocol/digest.ts'
import { baseKey, MANIFEST_KEY, outputKey } from '#protocol/keys.ts'
import type { OutputSigner } from '#protocol/output-signature.ts'
import type { Evaluation, Manifest, PayloadRef, RoundResult, RunRecord } from '#protocol/record.ts'
import { bestRound, type Evaluated, type StoppingRule } from '../rounds/stopping.ts'
import type { Marked, RunMarkers } from './markers.ts'
import { modelCard } from './model-card.ts'
import { writeSignature } from './output-signatures.ts'
import type { Progress } from './progress.ts'
import { writeStream } from './tensor-files.ts'
import { copyPayload } from './verified-copy.ts'
import { CHECKPOINT_FOLDER, configFiles, wholeBase, wholeCheckpoint } from './whole-checkpoint.ts'

/** A file of the bundle. */
type OutputFile = Manifest['files'][number]

/** What the output holds. */
export interface Output {
  readonly model: PayloadRef
  readonly evaluation: Evaluation | null
  /** The round whose model it is. */
  readonly round: number
  /** Digest of the last result of the hash chain: it fixes every marker before it. */
  readonly head: string
}

/** Facts of the record from which the output follows. */
export type OutputFacts = Pick<Progress, 'results' | 'history' | 'evaluated'>

/**
 * Writes output/ with the best model where the job declares a metric, else with the last one. `signer` signs it, also where an
 * earlier coordinator did; null leaves it unsigned.
 */
export async function writeOutput(
  { store, run }: Pick<RunMarkers, 'store' | 'run'>,
  stopping: StoppingRule,
  facts: OutputFacts,
  signer: OutputSigner | null,
): Promise<Output> {
  const chosen = chosenResult(stopping, facts)
  const files: OutputFile[] = []
  const write = async (name: string, bytes: Uint8Array): Promise<void> => {
    const written = await store.put(outputKey(name), bytes)
    const stored = written === 'Created' ? bytes : ((await store.get(outputKey(name))) ?? bytes)
    files.push({ name, size: stored.length, sha256: sha256(stored) })
  }
  const { model, round } = chosen.value
  await copyPayload(store, { payload: model }, outputKey('model.safetensors'))
  files.push({ name: 'model.safetensors', size: model.size, sha256: model.sha256 })
  const { base } = run.value
  const configs = base === null ? [] : configFiles(base)
  for (const { name } of configs) {
    const bytes = await store.get(baseKey(base!.digest, name))
    if (bytes !== undefined) await write(name, bytes)
  }
  const whole = wholeBase(run.value)
  if (whole !== null) {
    for (const { name } of configs)
      await write(`${CHECKPOINT_FOLDER}/${name}`, (await store.get(baseKey(whole.digest, name)))!)
    const name = `${CHECKPOINT_FOLDER}/model.safetensors`
    const written = await writeStream(store, outputKey(name), await wholeCheckpoint(store, whole, model))
    files.push({ name, size: written.size, sha256: written.sha256 })
  }
  for (const { name, bytes } of describingFiles(run, chosen, facts)) await write(name, bytes)
  const manifest = manifestOf(run, chosen, facts, files)
  const bytes = (await store.get(MANIFEST_KEY)) ?? encodeJson(manifest)
  // The manifest is the last object, so an output that has one has a signature too.
  if (signer !== null) await writeSignature(store, signer, { uid: run.value.uid, bytes })
  await store.put(MANIFEST_KEY, bytes)
  return { model, evaluation: manifest.evaluation, round, head: manifest.head }
}

/** The result whose model the output has. */
export function chosenResult(stopping: StoppingRule, { results, history }: OutputFacts): Marked<RoundResult> {
  const best = bestRound(stopping, history)
  return results.find(({ value }) => value.round === best?.round) ?? results.at(-1)!
}

/** The manifest of an output with these files. */
export function manifestOf(
  run: Marked<RunRecord>,
  chosen: Marked<RoundResult>,
  { results, history, evaluated }: OutputFacts,
  files: readonly OutputFile[],
): Manifest {
  const { round } = chosen.value
  const last = results.at(-1)!
  return {
    schema: 'fedsam.manifest/1',
    name: run.value.name,
    round,
    rounds: last.value.round,
    result: chosen.digest,
    head: (evaluated ?? last).digest,
    evaluation: history.find((one) => one.round === round)?.evaluation ?? null,
    files: [...files],
  }
}

/** The files that describe the model. Their bytes follow from the record, and verification derives them again. */
export function describingFiles(
  run: Marked<RunRecord>,
  chosen: Marked<RoundResult>,
  { results, history, evaluated }: OutputFacts,
): { readonly name: string; readonly bytes: Uint8Array }[] {
  const { round } = chosen.value
  const chain = evaluated === null ? results : [...results, evaluated]
  const evaluation = history.find((one) => one.round === round)?.evaluation ?? null
  const card = modelCard({ run: run.value, chosen: chosen.value, evaluation, results, history })
  return [
    { name: 'metrics.json', bytes: metricsFile(results, history) },
    { name: 'provenance.json', bytes: provenanceFile(run, round, chain) },
    { name: 'README.md', bytes: new TextEncoder().encode(card) },
  ]
}

/** For each round: the training metrics of the round, and the evaluation of its model. */
function metricsFile(results: readonly Marked<RoundResult>[], history: readonly Evaluated[]): Uint8Array {
  const rounds = results.map(({ value }) => ({
    round: value.round,
    training: value.metrics,
    evaluation: history.find(({ round }) => round === value.round)?.evaluation ?? null,
  }))
  return encodeJson({ schema: 'fedsam.metrics/1', rounds })
}

/** Where the model of a round comes from: the run, and every result of the chain by its digest. */
function provenanceFile(
  run: Marked<RunRecord>,
  round: number,
  chain: readonly Marked<RoundResult>[],
): Uint8Array {
  return encodeJson({
    schema: 'fedsam.provenance/1',
    run: run.value,
    runDigest: run.digest,
    round,
    results: chain.map(({ value, digest }) => ({ round: value.round, attempt: value.attempt, digest })),
  })
}
