// A Program run: reports what the record has, runs the program until its result is recorded, and writes the output. Nothing that the program
// sent or received is deleted: a program that starts again needs all of it.
import { FedsamError } from '#protocol/errors.ts'
import type { ProgramResult } from '#protocol/exchange.ts'
import { MANIFEST_KEY } from '#protocol/keys.ts'
import { runExchange } from '../exchanges/exchange.ts'
import type { ProgramContext } from '../program/context.ts'
import { deleteOtherResults } from '../program/result.ts'
import { decidedExchanges, runProgram } from '../program/run-program.ts'
import type { Marked } from '../record/markers.ts'
import { programFacts, writeProgramOutput } from '../record/program-output.ts'
import type { ProgramCommand, ProgramRule } from '../settings/settings.ts'
import type { RunKind, RunOutcome, SharedContext } from './context.ts'

/** Throws InvalidJob where this coordinator cannot run a program. */
export function programRun(
  rule: ProgramRule,
  program: ProgramCommand | undefined,
  log: (line: string) => void = () => {},
): RunKind {
  if (program === undefined)
    throw new FedsamError(
      'InvalidJob',
      'spec.strategy.type: Program is not available in a cluster in this version',
      { remedy: 'run the job on one machine with fedsam run, or choose another strategy' },
    )
  return {
    async begin(shared) {
      const context: ProgramContext = {
        ...shared,
        rule,
        program,
        log,
        runExchange: (ask, before) => runExchange(shared, ask, before),
        cleanDecided: shared.leftovers.cleanDecidedExchange,
      }
      await announce(shared)
      return () => runToOutput(shared, context)
    },
  }
}

async function announce({ markers, fixed, live, observe }: SharedContext): Promise<void> {
  const completed = await decidedExchanges(markers)
  observe({
    event: 'RunStarted',
    program: true,
    name: fixed.name,
    epoch: markers.epoch,
    rounds: 0,
    completed,
    roster: live().members.map(({ name }) => name),
    head: completed === 0 ? null : (await markers.exchange(completed))!.digest,
    best: null,
    newest: [],
  })
}

async function runToOutput(shared: SharedContext, context: ProgramContext): Promise<RunOutcome> {
  const { markers, guard, identity, observe } = shared
  const result: Marked<ProgramResult> = (await markers.program()) ?? (await runProgram(context))
  await deleteOtherResults(markers, result.value)
  await guard.assertCurrent()
  guard.throwIfStopped()
  const { head } = await writeProgramOutput(markers.store, await programFacts(markers, result), identity)
  const { exchanges, model, metrics } = result.value
  observe({
    event: 'RunCompleted',
    program: { metrics },
    rounds: exchanges,
    output: MANIFEST_KEY,
    evaluation: null,
    round: exchanges,
    digest: model?.sha256 ?? '',
    head,
  })
  return { rounds: exchanges, model, evaluation: null }
}
