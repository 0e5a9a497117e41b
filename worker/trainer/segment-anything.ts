// The built-in trainer: fine-tunes Segment Anything on a partition, as Hugging Face's recipe does. Frozen parts come from the base
// checkpoint, and each call brings the trained parameters. Everything random derives from the call's seed.
import { readFile, writeFile } from 'node:fs/promises'
import { FedsamError } from '#protocol/errors.ts'
import { readSafetensors, writeSafetensors } from '#protocol/safetensors.ts'
import { exchangedTensors } from '#protocol/segment-anything.ts'
import type { Tensor } from '#protocol/tensors.ts'
import { inspectDataset } from '#worker/data/preflight.ts'
import { formatReport } from '#worker/data/report.ts'
import { openSamples } from '#worker/data/samples.ts'
import { readCheckpoint, readConfig } from '#worker/model/segment-anything/checkpoint.ts'
import { createSegmentAnything, type SegmentAnything } from '#worker/model/segment-anything/model.ts'
import { freshOptimizerState, type OptimizerState } from '#worker/model/segment-anything/optimizer.ts'
import { modelView } from '#worker/model/segment-anything/processor.ts'
import { readProcessor } from '#worker/model/segment-anything/processor-file.ts'
import { type Backend, loadBackend } from '#worker/tensorflow/backend.ts'
import { openPatiently } from './data-wait.ts'
import { evaluateSamples } from './evaluation.ts'
import { fitSamples } from './fitting.ts'
import { readOptimizerState, writeOptimizerState } from './optimizer-state.ts'
import { withDTypes } from './original-dtypes.ts'
import { type Prepared, prepareSamples } from './prepared-samples.ts'
import type { TrainerCall } from './seam.ts'
import type { Report, TrainerWork } from './serve.ts'
import type { TrainerSettings } from './settings.ts'

/** A partition ready to train: the model, and its samples with their embeddings. */
export interface OpenPartition {
  readonly model: SegmentAnything
  readonly backend: Backend
  /** Names of the tensors that travel, sorted. */
  readonly names: readonly string[]
  readonly train: readonly Prepared[]
  readonly heldOut: readonly Prepared[]
  readonly dataset: string
}

/** Loads backend, checkpoint and data. Throws BadData, BadCheckpoint, NoAccelerator. */
export async function openPartition(
  settings: TrainerSettings,
  report: Report = () => {},
): Promise<OpenPartition> {
  const { dataset, checkpoint: folder, trainer, cache, whenUnseen } = settings
  const { config } = await readConfig(folder)
  const processor = await readProcessor(folder, config)
  const found = await inspectDataset(dataset, dataset.root, modelView(config, processor))
  const fatal = found.problems.filter((problem) => problem.fatal)
  if (fatal.length > 0) {
    const { message, remedy } = fatal[0]!
    const more = fatal.length > 1 ? ` (and ${fatal.length - 1} more)` : ''
    throw new FedsamError('BadData', `${dataset.root}: ${message}${more}`, { remedy })
  }
  if (settings.logPreflight) console.error(formatReport(dataset.root, found))
  const checkpoint = await readCheckpoint(folder)
  const backend = await loadBackend({ prefer: trainer.backend, requireGpu: whenUnseen === 'Fail' })
  const model = createSegmentAnything(backend.tf, checkpoint.config, checkpoint.tensors)
  const load = await openSamples(dataset, dataset.root)
  const prepare = (stems: readonly string[]): Promise<Prepared[]> =>
    prepareSamples(stems, load, {
      model,
      processor,
      cache,
      report,
      encoder: trainer.train.includes('VisionEncoder') ? 'Trains' : { checkpoint, backend },
    })
  return {
    model,
    backend,
    names: exchangedTensors(trainer.train, [...checkpoint.tensors.keys()]),
    train: await prepare(found.split.train),
    heldOut: await prepare(found.split.heldOut),
    dataset: found.digest,
  }
}

/** The name of the backend. Where the job asks for an accelerator, the name says whether one is used. */
function wordsOn({ name, gpu }: Backend, whenUnseen: TrainerSettings['whenUnseen']): string {
  if (whenUnseen === null) return name
  return gpu ? `${name} on the GPU` : `${name} without a GPU: TensorFlow found none`
}

/** The files of the client's state that a call names. */
type StateFiles = Pick<Extract<TrainerCall, { call: 'fit' }>, 'state' | 'state_output'>

/** The moments to go on from: those of the client's state where the job keeps them, or else none. */
async function openOptimizerState(
  { trainer }: TrainerSettings,
  { state, state_output: output }: StateFiles,
  given: readonly Tensor[],
  names: readonly string[],
): Promise<OptimizerState> {
  const { keepOptimizerState: keeps, optimizer } = trainer
  if (keeps && output === undefined)
    throw new FedsamError(
      'TrainerFailed',
      'this job keeps the moments of the optimizer, and this client keeps no state',
      {
        remedy:
          "a site allows it with states: true in its file; a coordinator of an earlier release keeps none: upgrade the federation's FedSAM",
      },
    )
  if (!keeps || state === undefined) return freshOptimizerState()
  const elements = new Map(
    given
      .filter(({ name }) => names.includes(name))
      .map(({ name, shape }) => [name, shape.reduce((all, one) => all * one, 1)]),
  )
  return readOptimizerState(optimizer, await readFile(state), elements)
}

async function leaveOptimizerState(
  { trainer }: TrainerSettings,
  { state_output: output }: StateFiles,
  state: OptimizerState,
): Promise<{ state?: string }> {
  if (!trainer.keepOptimizerState || output === undefined) return {}
  await writeFile(output, writeOptimizerState(trainer.optimizer, state))
  return { state: output }
}

/** The trainer's three calls on an open partition. It waits for correct data as long as the settings say. */
export async function openSegmentAnything(settings: TrainerSettings, report: Report): Promise<TrainerWork> {
  const { waitSeconds, whenUnseen } = settings
  const opened = await openPatiently(() => openPartition(settings, report), { waitSeconds, report })
  const { model, backend, names, train, heldOut, dataset } = opened
  return {
    dataset,
    backend: wordsOn(backend, whenUnseen),
    async getParameters(output) {
      await writeFile(output, writeSafetensors(model.getTensors(names)))
    },
    async fit({ tensors, output, config, ...files }, report) {
      const given = readSafetensors(await readFile(tensors))
      model.setTensors(given)
      const state = await openOptimizerState(settings, files, given, names)
      const metrics = await fitSamples(model, train, {
        ...settings.trainer,
        names,
        seed: config.seed ?? '',
        state,
        report,
      })
      await writeFile(output, writeSafetensors(withDTypes(model.getTensors(names), given)))
      return { num_examples: train.length, metrics, ...(await leaveOptimizerState(settings, files, state)) }
    },
    async evaluate({ tensors }, report) {
      model.setTensors(readSafetensors(await readFile(tensors)))
      return evaluateSamples(model, heldOut, { ...settings.trainer, tf: backend.tf, report })
    },
  }
}
