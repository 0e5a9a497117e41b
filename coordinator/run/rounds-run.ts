// A run with rounds: reports what the record has, runs the rounds that it lacks, and writes the output.
import { FedsamError } from '#protocol/errors.ts'
import { MANIFEST_KEY } from '#protocol/keys.ts'
import { createFoldBuffers } from '../aggregation/fold-buffers.ts'
import { createUpdateBuffers } from '../attempts/update-buffers.ts'
import { writeOutput } from '../record/output.ts'
import { newestRounds, type Progress, readProgress } from '../record/progress.ts'
import { bestRound } from '../rounds/stopping.ts'
import type { FixedSettings } from '../settings/settings.ts'
import { strategyFrom } from '../strategies/registry.ts'
import type { Strategy } from '../strategies/strategy.ts'
import { runRounds } from './all-rounds.ts'
import type { RunContext, RunKind, RunOutcome, SharedContext } from './context.ts'

/** Throws InvalidJob, before anything is written. */
export function roundsRun(fixed: FixedSettings): RunKind {
  const strategy = chosenStrategy(fixed)
  return {
    async begin(shared: SharedContext) {
      const context: RunContext = {
        ...shared,
        strategy,
        foldBuffers: createFoldBuffers(fixed.memoryBytes),
        updateBuffers: createUpdateBuffers(),
      }
      const progress = await readProgress(context.markers)
      announce(context, progress)
      return () => runToOutput(context, progress)
    },
  }
}

/** Throws InvalidJob where a round may have too few updates. The schema refuses such a job, but a stored job may be older. */
function chosenStrategy({ strategy: wanted, minFitClients }: FixedSettings): Strategy {
  const strategy = strategyFrom(wanted)
  const { name, minimum } = strategy
  if (minFitClients >= minimum) return strategy
  throw new FedsamError(
    'InvalidJob',
    `spec.strategy.minFitClients is ${minFitClients}, and ${name} needs at least ${minimum} updates`,
    { remedy: `set it to at least ${minimum}` },
  )
}

function announce(
  { markers, fixed, live, observe }: Pick<RunContext, 'markers' | 'fixed' | 'live' | 'observe'>,
  progress: Progress,
): void {
  const { results, history, evaluated } = progress
  const { rounds, members } = live()
  observe({
    event: 'RunStarted',
    name: fixed.name,
    epoch: markers.epoch,
    rounds,
    completed: results.at(-1)?.value.round ?? 0,
    roster: members.map(({ name }) => name),
    head: (evaluated ?? results.at(-1))?.digest ?? null,
    best: bestRound(fixed.stopping, history),
    newest: newestRounds(progress),
  })
}

/** An earlier coordinator may have ended before it deleted the leftover uploads of the last attempt. */
async function cleanLast(
  { markers, leftovers }: Pick<RunContext, 'markers' | 'leftovers'>,
  { results }: Progress,
): Promise<void> {
  const last = results.at(-1)?.value
  if (markers.epoch === 1 || last === undefined) return
  const plan = await markers.plan(last.round, last.attempt)
  if (plan !== undefined) await leftovers.cleanDecided(plan.value)
}

async function runToOutput(context: RunContext, progress: Progress): Promise<RunOutcome> {
  const { markers, fixed, observe, guard, leftovers, identity } = context
  // The manifest is the last marker: where it exists, only its contents are left to report.
  const complete = (await markers.store.size(MANIFEST_KEY)) !== undefined
  if (!complete) {
    await cleanLast(context, progress)
    await runRounds(context, progress)
    await guard.assertCurrent()
    await leftovers.deleteNoted()
  }
  guard.throwIfStopped()
  const { model, evaluation, round, head } = await writeOutput(markers, fixed.stopping, progress, identity)
  const rounds = progress.results.at(-1)!.value.round
  const digest = model.sha256
  observe({ event: 'RunCompleted', rounds, output: MANIFEST_KEY, evaluation, round, digest, head })
  return { rounds, model, evaluation }
}
