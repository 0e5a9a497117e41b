// Everything that the steps of a run share: record, settings, ports, and the state in memory. run-from-record.ts builds one value per
// coordinator. No function changes a field of it: objects with a state of their own have verbs.
import type { Evaluation, PayloadRef } from '#protocol/record.ts'
import type { AttemptsContext } from '../attempts/context.ts'
import type { ClientsContext } from '../clients/context.ts'
import type { FixedSettings } from '../settings/settings.ts'

export interface RunContext extends AttemptsContext, ClientsContext {
  readonly fixed: FixedSettings
}

/** What both kinds of run share: what the strategy of rounds needs is absent. */
export type SharedContext = Omit<RunContext, 'strategy' | 'foldBuffers' | 'updateBuffers'>

/** The end of a complete run. A run that failed throws FedsamError RunFailed. */
export interface RunOutcome {
  /** Rounds; exchanges of a Program run. */
  readonly rounds: number
  /** null: the program of the run left none. */
  readonly model: PayloadRef | null
  readonly evaluation: Evaluation | null
}

/** One kind of run. */
export interface RunKind {
  /** Reads how far the record has come, and reports it. Resolves to what runs the rest, until the output is written. */
  begin(context: SharedContext): Promise<() => Promise<RunOutcome>>
}
