// `fedsam trainer check -- CMD…`: makes the calls of a run to a trainer program and reports its faults. Needs no job.
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { environmentOf, TRAINER } from '#protocol/environment.ts'
import { trainerEnvironment } from '#worker/trainer/trainer-environment.ts'
import { print, printError } from '../render/screen.ts'
import { checkTrainer } from '../trainer/check.ts'
import type { Finding } from '../trainer/findings.ts'
import { type RunCommand, readArguments, UsageError } from './command.ts'

const OPTIONS = {
  client: { type: 'string' },
  dataset: { type: 'string' },
  config: { type: 'string', multiple: true },
  parameters: { type: 'string' },
  'no-progress-seconds': { type: 'string' },
  'pass-env': { type: 'string', multiple: true },
} as const

/** A seed as a run sends it: 64 hexadecimal digits. */
const SEED = '5eed'.repeat(16)

const MARKS = { Fine: '  ok   ', Note: '  note ', Wrong: '! wrong' } as const

/** Resolves to 0 where the program can train, to 1 with one line per fault. */
export const trainer: RunCommand = async (args) => {
  const at = args.indexOf('--')
  const [program, ...rest] = at < 0 ? [] : args.slice(at + 1)
  if (program === undefined) throw new UsageError('the program is missing: write it after --')
  const { values, positionals } = readArguments(args.slice(0, at), OPTIONS, ['check'])
  if (positionals[0] !== 'check')
    throw new UsageError(`there is no command trainer ${positionals[0]}: write trainer check`)
  const noProgressSeconds = Number(values['no-progress-seconds'] ?? 600)
  if (!(noProgressSeconds > 0)) throw new UsageError('--no-progress-seconds takes a number above 0')
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-trainer-'))
  try {
    const scratch = join(folder, 'scratch')
    await mkdir(scratch)
    const sound = await checkTrainer({
      program: {
        command: [program, ...rest],
        env: {
          ...trainerEnvironment(process.env, values['pass-env']),
          ...partitionVariables(values.client ?? 'check', values.dataset ?? '{}'),
        },
        cwd: process.cwd(),
      },
      scratch,
      config: { ...configOf(values.config ?? []), server_round: '1', seed: SEED },
      parameters: values.parameters === undefined ? null : resolve(values.parameters),
      noProgressSeconds,
      log: (line) => printError(`[trainer] ${line}`),
      say,
    })
    print(
      sound
        ? 'the trainer can take part in a run'
        : 'the trainer cannot take part in a run: correct what is marked wrong',
    )
    return sound ? 0 : 1
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function say({ level, text, remedy = '' }: Finding): void {
  print(`${MARKS[level]} ${text}${remedy === '' ? '' : `\n         ${remedy}`}`)
}

/** `dataset` is JSON, or only a folder. */
function partitionVariables(client: string, dataset: string): Record<string, string> {
  const json = dataset.startsWith('{') ? dataset : JSON.stringify({ root: resolve(dataset) })
  // As in a job with this partition alone.
  return environmentOf(TRAINER, { client, dataset: json, partitionId: '0', numPartitions: '1' })
}

/** Checks names as in a job: no name twice, and no name that FedSAM itself sends. */
function configOf(pairs: readonly string[]): Record<string, string> {
  const config = new Map<string, string>()
  for (const pair of pairs) {
    const at = pair.indexOf('=')
    if (at < 1) throw new UsageError(`--config ${pair}: write name=value`)
    const name = pair.slice(0, at)
    if (name === 'seed' || name === 'server_round') {
      throw new UsageError(`--config ${pair}: FedSAM sends ${name} with every call; use another name`)
    }
    if (config.has(name)) throw new UsageError(`--config ${pair}: ${name} is given twice; remove one of them`)
    config.set(name, pair.slice(at + 1))
  }
  return Object.fromEntries(config)
}
