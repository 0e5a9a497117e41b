// Everything that the steps of a run share: record, settings, ports, and the state in memory. run-from-record.ts builds one value per
// coordinator. No function changes a field of it: objects with a state of their own have verbs.
import type { AttemptsContext } from '../attempts/context.ts'
import type { ClientsContext } from '../clients/context.ts'
import type { FixedSettings } from '../settings/settings.ts'

export interface RunContext extends AttemptsContext, ClientsContext {
  readonly fixed: FixedSettings
}
