// `npm run demo`: federates the fine-tuning of Segment Anything over three sites on this machine and shows what it gained.
// Options: --backend TensorFlow|Wasm, --seed N, --seeds N (seeds 0 to N-1, and whether the claims hold with each), --output DIR.
// Exit codes as fedsam's, and 1 where a claim does not hold.
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readArguments, UsageError } from '#cli/commands/command.ts'
import { openScreen, type Screen } from '#cli/render/screen.ts'
import { FedsamError } from '#protocol/errors.ts'
import { cliExitCode } from '#protocol/exit-codes.ts'
import { chooseBackend, type DemoBackend } from './demo/backend.ts'
import { judge, verdictLine } from './demo/claims.ts'
import { comparisonLines, type Gains, gainLine, gainsOf } from './demo/comparison.ts'
import { freshFolder } from './demo/folder.ts'
import { runDemo } from './demo/run.ts'

const JOB = fileURLToPath(new URL('../examples/brain-tissue.yaml', import.meta.url))

interface Arguments {
  readonly backend: DemoBackend | undefined
  readonly seeds: readonly number[]
  /** Whether the claims are to be checked. */
  readonly claims: boolean
  readonly output: string
}

function readDemoArguments(args: readonly string[]): Arguments {
  const options = {
    backend: { type: 'string' },
    seed: { type: 'string' },
    seeds: { type: 'string' },
    output: { type: 'string' },
  } as const
  const { values } = readArguments(args, options, [])
  const { backend, seed = '0', seeds } = values
  if (backend !== undefined && backend !== 'TensorFlow' && backend !== 'Wasm')
    throw new UsageError('--backend is TensorFlow or Wasm')
  const number = (name: string, text: string, least: number): number => {
    if (!/^\d{1,9}$/.test(text) || Number(text) < least)
      throw new UsageError(`--${name} is a whole number from ${least} on`)
    return Number(text)
  }
  return {
    backend,
    seeds:
      seeds === undefined
        ? [number('seed', seed, 0)]
        : Array.from({ length: number('seeds', seeds, 1) }, (_, i) => i),
    claims: seeds !== undefined,
    output: resolve(values.output ?? 'demo-output'),
  }
}

async function demo(args: readonly string[], screen: Screen): Promise<number> {
  const { backend: wanted, seeds, claims, output } = readDemoArguments(args)
  const began = performance.now()
  await freshFolder(output)
  const { backend, reason } = await chooseBackend(wanted, (line) => screen.say(line))
  screen.say(`backend: ${backend}. ${reason}`)
  const runs: { seed: number; gains: Gains }[] = []
  for (const seed of seeds) {
    screen.say(`\nseed ${seed}`)
    const { comparison, report } = await runDemo({
      job: JOB,
      backend,
      seed,
      output: join(output, `seed-${seed}`),
      screen,
    })
    const gains = gainsOf(comparison)
    runs.push({ seed, gains })
    screen.say(`\n${comparisonLines(comparison).join('\n')}\n\n${gainLine(gains)}`)
    screen.say(`report: ${report}`)
  }
  screen.say(`${((performance.now() - began) / 1000).toFixed(0)} s in all`)
  if (!claims) return 0
  const verdicts = judge(runs)
  screen.say(`\n${verdicts.map(verdictLine).join('\n')}`)
  return verdicts.every(({ failed }) => failed.length === 0) ? 0 : 1
}

const screen = openScreen(process.stdout, process.stderr)
try {
  process.exitCode = await demo(process.argv.slice(2), screen)
} catch (error) {
  if (!(error instanceof FedsamError) && !(error instanceof UsageError)) throw error
  screen.note(`demo: ${explained(error)}`)
  process.exitCode = error instanceof FedsamError ? cliExitCode(error.code) : 2
}

function explained(error: FedsamError | UsageError): string {
  if (error instanceof UsageError) return error.message
  if (error.code === 'Interrupted') return 'stopped; the next start begins at the first step'
  return error.remedy === '' ? error.message : `${error.message}\n  ${error.remedy}`
}
