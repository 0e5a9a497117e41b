// `fedsam trainer check -- CMD…`: exercises a program on the trainer seam and says what is wrong with it. Needs no job.
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { checkTrainer } from '../trainer/check.ts'
import type { Finding } from '../trainer/findings.ts'
import { type RunCommand, readArguments, UsageError } from './command.ts'

const OPTIONS = {
  client: { type: 'string' },
  dataset: { type: 'string' },
  config: { type: 'string', multiple: true },
  parameters: { type: 'string' },
  'no-progress-seconds': { type: 'string' },
} as const

/** As a run gives it: 64 hexadecimal digits. */
const SEED = '5eed'.repeat(16)

const MARKS = { Fine: '  ok   ', Note: '  note ', Wrong: '! wrong' } as const

/** 0: it may train; 1: something is wrong, a line each. */
export const trainer: RunCommand = async (args) => {
  const at = args.indexOf('--')
  const [program, ...rest] = at < 0 ? [] : args.slice(at + 1)
  if (program === undefined) throw new UsageError('the program is missing: write it behind --')
  const { values, positionals } = readArguments(args.slice(0, at), OPTIONS, ['check'])
  if (positionals[0] !== 'check') throw new UsageError(`there is no command trainer ${positionals[0]}`)
  const noProgressSeconds = Number(values['no-progress-seconds'] ?? 600)
  if (!(noProgressSeconds > 0)) throw new UsageError('--no-progress-seconds takes a number above 0')
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-trainer-'))
  try {
    const scratch = join(folder, 'scratch')
    await mkdir(scratch)
    const sound = await checkTrainer({
      program: {
        command: [program, ...rest],
        env: environmentOf(values.client ?? 'check', values.dataset ?? '{}'),
        cwd: process.cwd(),
      },
      scratch,
      config: { ...configOf(values.config ?? []), server_round: '1', seed: SEED },
      parameters: values.parameters === undefined ? null : resolve(values.parameters),
      noProgressSeconds,
      log: (line) => process.stderr.write(`[trainer] ${line}\n`),
      say,
    })
    process.stdout.write(sound ? 'the trainer may take part\n' : 'the trainer cannot take part like this\n')
    return sound ? 0 : 1
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function say({ level, text, remedy = '' }: Finding): void {
  process.stdout.write(`${MARKS[level]} ${text}\n${remedy === '' ? '' : `         ${remedy}\n`}`)
}

/** A dataset as JSON, or just its folder. */
function environmentOf(client: string, dataset: string): Record<string, string> {
  const known = Object.entries(process.env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  )
  const json = dataset.startsWith('{') ? dataset : JSON.stringify({ root: resolve(dataset) })
  return { ...Object.fromEntries(known), FEDSAM_CLIENT: client, FEDSAM_DATASET: json }
}

function configOf(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf('=')
      if (at < 1) throw new UsageError(`--config ${pair}: write name=value`)
      return [pair.slice(0, at), pair.slice(at + 1)]
    }),
  )
}
