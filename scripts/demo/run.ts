// One demo: the federated run as `fedsam run` does it, then everything that it is compared with, then the report of both.
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { type PreparedJob, prepareJob } from '#cli/commands/run.ts'
import type { Screen } from '#cli/render/screen.ts'
import type { Comparison, ComparisonRow } from '#cli/report/facts.ts'
import { writeReport } from '#cli/report/write.ts'
import { watchInterrupts } from '#cli/run/interrupts.ts'
import { recordFolder } from '#cli/run/record-folder.ts'
import { outputKey } from '#protocol/keys.ts'
import { setVariables } from '#runtime/environment.ts'
import { trainerEnvironment } from '#worker/trainer/trainer-environment.ts'
import { type Candidate, measureCandidates } from './baselines.ts'
import { comparisonOf, comparisonRow, NAMES } from './comparison.ts'
import { measureShapes } from './shapes.ts'
import type { SiteSettings } from './trainer.ts'

export interface DemoOptions {
  /** The job file; it must train a SegmentAnything. */
  readonly job: string
  readonly backend: 'TensorFlow' | 'Wasm'
  readonly seed: number
  /** Absent or empty. */
  readonly output: string
  readonly screen: Screen
}

/** Runs it; resolves to the table and the report's path. Throws FedsamError. */
export async function runDemo(options: DemoOptions): Promise<{ comparison: Comparison; report: string }> {
  const { backend, seed, output, screen } = options
  const sets = [`trainer.segmentAnything.backend=${backend}`, `seed=${seed}`]
  const job = await prepareJob(options.job, {
    sets,
    output,
    env: trainerEnvironment(process.env),
    processes: false,
    json: false,
    screen,
  })
  await job.run()
  screen.say('')
  const interrupts = watchInterrupts()
  const comparison = await compare(job, { ...options, signal: interrupts.signal }).finally(interrupts.stop)
  const report = await writeReport({ ...job, comparison })
  return { comparison, report: report! }
}

async function compare(
  job: PreparedJob,
  { seed, screen, signal }: DemoOptions & { readonly signal: AbortSignal },
): Promise<Comparison> {
  const { spec, output } = job
  const names = spec.partitions.map(({ name }) => name)
  const scratch = join(output, 'scratch')
  const trainer = spec.trainer.segmentAnything!
  // The embeddings that the run has left are found again.
  const sites = spec.partitions.map(
    ({ name, dataset }): SiteSettings => ({
      name,
      settings: { trainer, dataset, checkpoint: job.checkpoint, cache: join(scratch, name) },
    }),
  )
  const federated = join(await recordFolder(output), outputKey('model.safetensors'))
  const candidates: Candidate[] = [
    { name: NAMES.pretrained, from: 'Checkpoint' },
    ...names.map((name): Candidate => ({ name: NAMES.alone(name), from: { trainedOn: [name] } })),
    { name: NAMES.centralised, from: { trainedOn: names } },
    { name: NAMES.federated, from: { file: federated } },
  ]
  const processes = Math.min(availableParallelism(), names.length + 1)
  screen.say(
    `for comparison: training on each site alone and on all images in one place (${processes} processes)`,
  )
  const measured = await measureCandidates(candidates, {
    sites,
    epochs: spec.rounds * trainer.epochs,
    seed: `demo:${seed}`,
    scratch: join(scratch, 'baselines'),
    processes,
    env: setVariables(process.env),
    log: (line) => screen.note(`[baselines] ${line}`),
    progress: (doing) => screen.live(doing.join('; ')),
    measured: (name, _, seconds) => screen.say(`${name}: done in ${seconds.toFixed(1)} s`),
    signal,
  }).finally(() => screen.live(''))
  const modelRows = measured.map(({ name, dice }) => {
    const alone = names.find((site) => NAMES.alone(site) === name)
    return comparisonRow(names, name, dice, alone)
  })
  return comparisonOf(names, [...(await shapeRows(job, names)), ...modelRows])
}

async function shapeRows({ spec, heldOut }: PreparedJob, names: readonly string[]): Promise<ComparisonRow[]> {
  const shapes = await Promise.all(
    spec.partitions.map(({ dataset }, i) => measureShapes(dataset, heldOut[i]!.stems)),
  )
  return [
    comparisonRow(
      names,
      NAMES.box,
      shapes.map(({ box }) => box),
    ),
    comparisonRow(
      names,
      NAMES.ellipse,
      shapes.map(({ ellipse }) => ellipse),
    ),
  ]
}
