// The program that trains a partition on this machine: the built-in trainer with its settings, or the user's own command. Both
// get the variables of worker/trainer/trainer-environment.ts; the user's command also gets those of the partition and of
// `command.env`.
import { fileURLToPath } from 'node:url'
import { environmentOf, TRAINER } from '#protocol/environment.ts'
import { FedsamError } from '#protocol/errors.ts'
import type { CompleteFederatedJobSpec } from '#protocol/generated/federatedjob.ts'
import type { ChildProgram } from '#runtime/children/child-process.ts'
import type { LocalRun } from './local-run.ts'

const SEGMENT_ANYTHING = fileURLToPath(new URL('../../worker/trainer/main.ts', import.meta.url))

/** Program, environment and folder of a partition's trainer; `scratch` is the partition's own folder. */
export function trainerCommand(
  { spec, folder, files, env }: Pick<LocalRun, 'spec' | 'folder' | 'files' | 'env'>,
  client: string,
  scratch: string,
): ChildProgram {
  const { trainer, partitions } = spec
  const place = partitions.findIndex(({ name }) => name === client)
  const { dataset } = partitions[place]!
  if (trainer.type === 'SegmentAnything') {
    const settings = {
      trainer: trainer.segmentAnything,
      dataset,
      checkpoint: files.checkpoint,
      cache: scratch,
    }
    const command = [process.execPath, SEGMENT_ANYTHING, JSON.stringify(settings)] as const
    return { name: 'SegmentAnything', command, env, cwd: folder }
  }
  const [program, ...rest] = [...(trainer.command?.command ?? []), ...(trainer.command?.args ?? [])]
  if (trainer.type !== 'Command' || program === undefined) {
    throw new FedsamError(
      'InvalidJob',
      `spec.trainer.type: ${trainer.type} has no program that this machine can run`,
      {
        remedy: 'set it to SegmentAnything, or write a program into spec.trainer.command.command',
      },
    )
  }
  const about = environmentOf(TRAINER, {
    client,
    dataset: JSON.stringify(dataset),
    partitionId: String(place),
    numPartitions: String(partitions.length),
  })
  const own = ownVariables(trainer.command?.env ?? [], env)
  return { command: [program, ...rest], env: { ...env, ...about, ...own }, cwd: folder }
}

type Variables = NonNullable<CompleteFederatedJobSpec['trainer']['command']>['env']

/**
 * The variables of `command.env`. In place of a Secret or another object, a run on this machine uses the variable of --pass-env.
 */
function ownVariables(variables: Variables, env: Readonly<Record<string, string>>): Record<string, string> {
  const own = variables.map(({ name, value, valueFrom }) => {
    if (valueFrom == null) return [name, value ?? ''] as const
    const passed = env[name]
    if (passed !== undefined) return [name, passed] as const
    const where = `spec.trainer.command.env[${name}]`
    throw new FedsamError('InvalidJob', `${where}: valueFrom needs a cluster, and this run has none`, {
      remedy: `export ${name} and add --pass-env ${name}`,
    })
  })
  return Object.fromEntries(own)
}
