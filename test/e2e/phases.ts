// Faults at every phase of a job on the real node: while its clients start, while it trains, between rounds. A fault that finds nothing to
// strike, because the part is on its way out or in, strikes a moment later.
import assert from 'node:assert/strict'
import { type Stage, until } from './stage.ts'

const PHASES = ['Starting', 'Training', 'Between'] as const
type Phase = (typeof PHASES)[number]

export interface PhasedFault {
  readonly name: string
  /** Throws where there is nothing to strike. */
  strike(): Promise<unknown>
  /** Whether the phase Starting is reached; it may throw in place of false. */
  hasStarted(): Promise<boolean>
}

/** Strikes once in each phase of the job. */
export async function strikeInEachPhase(stage: Stage, job: string, fault: PhasedFault): Promise<void> {
  for (const phase of PHASES) {
    await until(`${job} is ${phase}`, () => isIn(phase, stage, job, fault), Boolean, 180)
    await until(`${fault.name} while ${phase}`, () => fault.strike().then(() => true), Boolean)
  }
}

/** By the job's status. */
async function isIn(phase: Phase, stage: Stage, job: string, { hasStarted }: PhasedFault): Promise<boolean> {
  if (phase === 'Starting') return hasStarted()
  const { training } = await stage.status(job)
  if (phase === 'Between') return (training?.rounds?.length ?? 0) >= 2
  return training?.state === 'Training' && training.round >= 1 && (training.clients?.cohort ?? 0) > 0
}

/** The name of a running pod in the jobs' namespace. */
export async function podOf(stage: Stage, selector: string): Promise<string> {
  const running = ['--field-selector=status.phase=Running']
  const names = await stage.kubectl(['get', 'pods', '-o', 'name', '-l', selector, ...running])
  const [first] = names.trim().split('\n')
  assert.ok(first, `no running pod of ${selector}`)
  return first.replace('pod/', '')
}

export function coordinatorOf(job: string): string {
  return `fedsam.dev/job=${job},fedsam.dev/role=coordinator`
}
