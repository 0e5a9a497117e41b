// What is checked of every job before a local run writes a byte: whether this version can run it, and its output folder. All that
// is wrong is told in one go.
import { access, constants, readdir, readFile, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { FixedSettings } from '#coordinator/settings.ts'
import { canonicalJson } from '#protocol/canonical.ts'
import { FedsamError } from '#protocol/errors.ts'
import type { CompleteFederatedJobSpec } from '#protocol/generated/federatedjob.ts'
import { RUN_KEY } from '#protocol/keys.ts'

/** Features of the resource that a run on this machine does not have. Throws InvalidJob naming all of them. */
export function refuseUnsupported(spec: CompleteFederatedJobSpec): void {
  const { trainer, partitions } = spec
  const sam = trainer.type === 'SegmentAnything' ? trainer.segmentAnything : undefined
  const refusals: readonly [boolean, string, string][] = [
    [
      trainer.type === 'Layers',
      'spec.trainer.type: Layers cannot be run yet',
      'use SegmentAnything or Command',
    ],
    [
      sam?.train.includes('LoRA') ?? false,
      'spec.trainer.segmentAnything.train: LoRA cannot be trained yet',
      'name MaskDecoder',
    ],
    [
      sam?.keepOptimizerState ?? false,
      'spec.trainer.segmentAnything.keepOptimizerState: not available yet',
      'leave it out',
    ],
    [spec.resumeFrom != null, 'spec.resumeFrom: not available yet', 'leave it out'],
    [spec.suspend, 'spec.suspend: the job is suspended', 'set it to false to run it'],
    [spec.output.fullCheckpoint, 'spec.output.fullCheckpoint: not available yet', 'use fedsam export'],
    ...partitions.map(({ name, external }): [boolean, string, string] => [
      external != null,
      `spec.partitions[${name}].external: an external client cannot join a run on this machine`,
      'leave it out',
    ]),
    ...partitions.map(({ name, source }): [boolean, string, string] => [
      source != null,
      `spec.partitions[${name}].source: a run on this machine reads folders`,
      'name the folder in dataset.root and leave source out',
    ]),
  ]
  const said = refusals.filter(([applies]) => applies).map(([, what, remedy]) => `${what}; ${remedy}`)
  if (said.length > 0) throw new FedsamError('InvalidJob', said.join('\n'))
}

/** Without an image that is held out nobody evaluates. `heldOut`: how many each partition holds out. Throws InvalidJob. */
export function refuseNothingHeldOut(
  { evaluation }: CompleteFederatedJobSpec,
  heldOut: readonly { readonly name: string; readonly count: number }[],
): void {
  if (evaluation == null || heldOut.some(({ count }) => count > 0)) return
  const names = heldOut.map(({ name }) => name).join(', ')
  throw new FedsamError(
    'InvalidJob',
    `spec.evaluation: is set, but none of the partitions ${names} holds an image out`,
    { remedy: 'raise dataset.heldOutFraction, or remove evaluation' },
  )
}

/** The output folder must be absent, empty, or hold this job's record (in the folder `record`). Writes nothing. Throws OutputInUse. */
export async function checkOutput(output: string, record: string, fixed: FixedSettings): Promise<void> {
  const names = await readdir(output).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw unwritable(output, error)
  })
  await access(await nearestFolder(output), constants.W_OK).catch((error: NodeJS.ErrnoException) => {
    throw unwritable(output, error)
  })
  if (names === undefined || names.length === 0) return
  const text = await readFile(join(record, RUN_KEY), 'utf8').catch(() => undefined)
  if (text === undefined) {
    throw new FedsamError('OutputInUse', `${output} is not empty and holds no run`, {
      remedy: 'name another folder with --output',
    })
  }
  const there = JSON.parse(text) as { name: string; spec: Record<string, unknown> }
  const differing = [
    ...(there.name === fixed.name ? [] : ['metadata.name']),
    ...[...new Set([...Object.keys(there.spec), ...Object.keys(fixed.spec)])]
      .filter(
        (field) => canonicalJson(there.spec[field] ?? null) !== canonicalJson(fixed.spec[field] ?? null),
      )
      .sort()
      .map((field) => `spec.${field}`),
  ]
  if (differing.length === 0) return
  throw new FedsamError(
    'OutputInUse',
    `${output} holds the run of another job: ${differing.join(', ')} differ`,
    {
      remedy: 'name another folder with --output, or run the job that it was started with',
    },
  )
}

async function nearestFolder(path: string): Promise<string> {
  const there = await stat(path).catch(() => undefined)
  if (there?.isDirectory()) return path
  if (there !== undefined) throw unwritable(path, { code: 'ENOTDIR' })
  return nearestFolder(dirname(path))
}

function unwritable(output: string, error: { code?: string | undefined }): FedsamError {
  return new FedsamError('OutputInUse', `${output} cannot be written (${error.code})`, {
    remedy: 'name a folder that you may write with --output',
  })
}
