// Which program trains a partition on this machine: the built-in trainer with its settings, or the user's own command.
import { fileURLToPath } from 'node:url'
import { FedsamError } from '#protocol/errors.ts'
import type { TrainerProgram } from '#worker/trainer/spawned.ts'
import type { LocalRun } from './local.ts'

const SEGMENT_ANYTHING = fileURLToPath(new URL('../../worker/trainer/main.ts', import.meta.url))

/** Program, environment and folder of a partition's trainer; `scratch` is the partition's own folder. */
export function trainerCommand(
  { spec, folder, files }: Pick<LocalRun, 'spec' | 'folder' | 'files'>,
  client: string,
  scratch: string,
): TrainerProgram {
  const { trainer, partitions } = spec
  const { dataset } = partitions.find(({ name }) => name === client)!
  const env = Object.fromEntries(
    Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined),
  )
  if (trainer.type === 'SegmentAnything') {
    const settings = {
      trainer: trainer.segmentAnything,
      dataset,
      checkpoint: files.checkpoint,
      cache: scratch,
    }
    return { command: [process.execPath, SEGMENT_ANYTHING, JSON.stringify(settings)], env, cwd: folder }
  }
  const [program, ...rest] = [...(trainer.command?.command ?? []), ...(trainer.command?.args ?? [])]
  if (trainer.type !== 'Command' || program === undefined) {
    throw new FedsamError(
      'InvalidJob',
      `spec.trainer: ${trainer.type} has no program to run on this machine`,
      {
        remedy: 'use SegmentAnything, or name a program in spec.trainer.command.command',
      },
    )
  }
  const own = (trainer.command?.env ?? []).flatMap(({ name, value }) =>
    value === undefined ? [] : [[name, value]],
  )
  const about = { FEDSAM_CLIENT: client, FEDSAM_DATASET: JSON.stringify(dataset) }
  return { command: [program, ...rest], env: { ...env, ...about, ...Object.fromEntries(own) }, cwd: folder }
}
