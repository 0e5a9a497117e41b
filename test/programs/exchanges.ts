// A Program run over real workers in this process: the settings, and the program that averages numbers (average.mjs). What its result is and why:
// test/federation/exchanges.test.ts.
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { FixedSettings, ProgramCommand } from '#coordinator/settings/settings.ts'
import type { TrainerWork } from '#worker/trainer/serve.ts'
import { type FederationOptions, QUADRATIC } from '../federation/federation.ts'
import { type AdderOptions, adderWork } from '../trainers/adder.ts'

const AVERAGE = fileURLToPath(new URL('./average.mjs', import.meta.url))
export const CLIENTS = ['a', 'b', 'c']

export function programSettings(uid: string): FixedSettings {
  const strategy = { type: 'Program' }
  return { ...QUADRATIC, uid, program: { restarts: 3 }, strategy, spec: { strategy } }
}

/** The program, whose working folder and notes are in this folder. `flaw`: what is wrong with it. */
export function averageIn(folder: string, flaw = 'none'): ProgramCommand {
  return {
    command: [process.execPath, AVERAGE, flaw, join(folder, 'notes.txt')],
    env: {},
    folder: join(folder, 'program'),
    noProgressSeconds: 600,
  }
}

/** What a test varies of a client's trainer. */
export type Before = (
  client: string,
  call: Parameters<NonNullable<AdderOptions['before']>>[0],
) => ReturnType<NonNullable<AdderOptions['before']>>

/** The work of a client, which adds its place. */
export function adds(client: string, before: Before = () => undefined): TrainerWork {
  return adderWork({ place: CLIENTS.indexOf(client), before: (call) => before(client, call) })
}

/** Three clients that add 0, 1 and 2. */
export function exchanges(before?: Before, flaw?: string): FederationOptions {
  return {
    clients: CLIENTS,
    fixed: programSettings('test'),
    program: (folder) => averageIn(folder, flaw),
    work: (client) => adds(client, before),
  }
}
