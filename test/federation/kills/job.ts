// The job of the kill tests: what the coordinator's and the workers' processes, and the test that kills them, agree on.
import { appendFileSync } from 'node:fs'
import type { FixedSettings, LiveSettings, Pace } from '#coordinator/settings/settings.ts'
import { DEFAULT_PACE } from '#coordinator/settings/settings.ts'
import { openFilesystemStore } from '#transport/store/filesystem/store.ts'
import type { OnWrite } from '../../faults/recording-store.ts'
import type { QuadraticOptions } from '../../trainers/quadratic.ts'
import { QUADRATIC, ROUND } from '../federation.ts'

export const CLIENTS = ['a', 'b', 'c']
export const ROUNDS = 2
/** Rounds of the record that a run starts from. */
export const SOURCE_ROUNDS = 1
export const SIZE = 200

/** Clients keep a state, except where a run starts from another record: it takes over no states. */
export const trainerOf = (source: string): Partial<QuadraticOptions> =>
  source === '' ? { counts: true } : {}

/** Seconds: short, so that a request to a process that was killed is soon asked again. */
export const PACE: Pace = { ...DEFAULT_PACE, holdSeconds: 0.3, pollSeconds: 1, farewellSeconds: 5 }
export const ANSWER_SECONDS = 0.6

/** The one argument of a process. */
export interface Orders {
  /** Of the store. */
  readonly folder: string
  readonly nats: string
  readonly uid: string
  /** Ends itself with SIGKILL at its write of this index (from 0); null: never. */
  readonly kill: { readonly index: number; readonly phase: 'before' | 'after' } | null
  /** A file that takes a line for every write; '' for none. */
  readonly record: string
  /** Of a worker. */
  readonly client?: string
  /** Of a worker, for its files; of a coordinator, for those of its program. */
  readonly scratch: string
  /** Folder of the record that the run starts from; '' for a run that starts with round 0. */
  readonly source: string
  /** The job is that of ../../programs/exchanges.ts. */
  readonly isProgram: boolean
}

/** A run from another record has a server optimizer with a state, so that model and state are copied. */
const FED_ADAM = {
  strategy: { type: 'FedAdam', clipNorm: { medianMultiple: 1 } },
  spec: { strategy: { type: 'FedAdam', clipNorm: { medianMultiple: 1 } } },
}
const FED_AVG = {
  strategy: { type: 'FedAvg', clipNorm: { medianMultiple: 1 } },
  spec: { strategy: { type: 'FedAvg', clipNorm: { medianMultiple: 1 } } },
}

export function fixedSettings(uid: string): FixedSettings {
  return {
    ...QUADRATIC,
    ...FED_AVG,
    uid,
    minFitClients: 3,
    minAvailableClients: 3,
    // Most updates are clipped, and from the second round on to a bound that follows from the rounds before.
    clipNorm: { norm: null, medianMultiple: 1 },
  }
}

/** The settings of the record that a run starts from. */
export function sourceSettings(uid: string): FixedSettings {
  return { ...fixedSettings(uid), ...FED_ADAM }
}

export function settingsOf(uid: string, source: string): FixedSettings {
  if (source === '') return fixedSettings(uid)
  const open = () => openFilesystemStore({ folder: source, strict: true })
  return {
    ...sourceSettings(uid),
    origin: { kind: 'Resumed', prefix: 'source', round: SOURCE_ROUNDS, select: null, open },
  }
}

export function liveSettings(): LiveSettings {
  const members = CLIENTS.map((name) => ({ name, train: true }))
  return { generation: 1, rounds: ROUNDS, members, round: { ...ROUND, quorum: 3 } }
}

/** Records each write and carries the order to die out. */
export function obey({ kill, record }: Orders): OnWrite {
  return async (index, operation, key, phase) => {
    if (record !== '' && phase === 'before') appendFileSync(record, `${operation} ${key}\n`)
    if (kill?.index !== index || kill.phase !== phase) return
    process.kill(process.pid, 'SIGKILL')
    await new Promise(() => {}) // nothing more happens in this process
  }
}
