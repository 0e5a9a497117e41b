// What a Program run needs. run/program-run.ts builds one value that has all of it; each function names the fields that it uses.
import type { StateRule } from '#protocol/client-state.ts'
import type { Ask } from '#protocol/exchange.ts'
import type { ClientsContext } from '../clients/context.ts'
import type { ClosedExchange } from '../exchanges/exchange.ts'
import type { Marked } from '../record/markers.ts'
import type { StatesBefore } from '../rounds/client-states.ts'
import type { FixedSettings, ProgramCommand, ProgramRule } from '../settings/settings.ts'

/** Serves an exchange to its clients until it is over. An earlier coordinator may have served it before. */
export type RunExchange = (ask: Marked<Ask>, before: StatesBefore) => Promise<ClosedExchange>

export interface ProgramContext
  extends Pick<
    ClientsContext,
    'markers' | 'live' | 'presence' | 'guard' | 'notifier' | 'clock' | 'pace' | 'observe' | 'signal'
  > {
  readonly fixed: Pick<FixedSettings, 'name' | 'seed' | 'spec'>
  readonly rule: ProgramRule
  readonly program: ProgramCommand
  readonly runExchange: RunExchange
  /** Deletes what clients left in an exchange that an earlier coordinator decided. Never rejects. */
  readonly cleanDecided: (ask: Ask, rule: StateRule) => Promise<void>
  /** Takes the program's own output, line by line. */
  readonly log: (line: string) => void
}
