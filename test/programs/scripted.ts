// A Program run whose clients are scripted, for unit tests of the coordinator's program folder: each client adds its place to the number that it
// gets. Their replies are signed and stored as real clients do it. Tests over real clients: test/federation/program.test.ts.
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ProgramContext, RunExchange } from '#coordinator/program/context.ts'
import { runProgram } from '#coordinator/program/run-program.ts'
import { openClientKeys } from '#coordinator/record/client-keys.ts'
import { claimEpoch, openEpochGuard } from '#coordinator/record/epochs.ts'
import { type Marked, openMarkers, openRun } from '#coordinator/record/markers.ts'
import { programFacts, writeProgramOutput } from '#coordinator/record/program-output.ts'
import { DEFAULT_PACE } from '#coordinator/settings/settings.ts'
import { digestPayload, sha256 } from '#protocol/digest.ts'
import type { RunEvent } from '#protocol/events.ts'
import type { DecidedReply, Reply } from '#protocol/exchange.ts'
import { exchangeKeys, uploadName } from '#protocol/keys.ts'
import { signReceipt } from '#protocol/receipt-signature.ts'
import { readMarker } from '#protocol/record.ts'
import { systemClock } from '#runtime/clock.ts'
import { createNotifier } from '#runtime/notifier.ts'
import type { ObjectStore } from '#transport/ports.ts'
import { ROUND } from '../federation/federation.ts'
import { keyNamed } from '../given/signed.ts'

export const AVERAGE = fileURLToPath(new URL('./average.mjs', import.meta.url))
const UID = 'test'
export const CLIENTS = ['a', 'b', 'c']

export interface ScriptedRun {
  readonly store: ObjectStore
  /** The folder of the program's working folder and of the notes that its lives leave. */
  readonly folder: string
  /** What is wrong with the program (average.mjs). */
  readonly flaw?: string
  readonly restarts?: number
  /** Stops the coordinator. */
  readonly signal?: AbortSignal
  readonly onEvent?: (event: RunEvent) => void
  readonly change?: (context: ProgramContext) => ProgramContext
}

export async function newFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'fedsam-program-'))
}

export const notesOf = (folder: string): string => join(folder, 'notes.txt')

/** Runs the program to its output, as one coordinator does; another one resumes from the store. */
export async function runScripted(run: ScriptedRun): Promise<{ events: RunEvent[]; log: string[] }> {
  const events: RunEvent[] = []
  const log: string[] = []
  const context = await contextOf(run, events, log)
  const result = (await context.markers.program()) ?? (await runProgram(context))
  await writeProgramOutput(context.markers.store, await programFacts(context.markers, result), null)
  return { events, log }
}

async function contextOf(
  { store, folder, flaw = 'none', restarts = 3, change = (same) => same, ...run }: ScriptedRun,
  events: RunEvent[],
  log: string[],
): Promise<ProgramContext> {
  const spec = { strategy: { type: 'Program' } }
  const named = { name: 'scripted', uid: UID, spec, seed: 7, base: null }
  const record = await openRun(store, { schema: 'fedsam.run/1', ...named })
  const markers = openMarkers(store, await claimEpoch(store, String(Math.random())), record)
  const clock = systemClock()
  const notifier = createNotifier()
  const { signal = new AbortController().signal, onEvent = () => {} } = run
  return change({
    markers,
    fixed: named,
    rule: { restarts },
    live: () => ({
      generation: 1,
      rounds: 10,
      members: CLIENTS.map((name) => ({ name, train: true })),
      round: ROUND,
    }),
    presence: { isReady: () => true } as unknown as ProgramContext['presence'],
    guard: openEpochGuard({ markers, clock, pollSeconds: 15, notifier, signal }),
    notifier,
    clock,
    pace: DEFAULT_PACE,
    observe(event) {
      events.push(event)
      onEvent(event)
    },
    log: (line) => log.push(line),
    signal,
    program: {
      command: [process.execPath, AVERAGE, flaw, notesOf(folder)],
      env: {},
      folder: join(folder, 'work'),
      noProgressSeconds: 600,
    },
    runExchange: answeredIn(store),
    cleanDecided: async () => {},
  })
}

/** Every client replies at once. */
function answeredIn(store: ObjectStore): RunExchange {
  return async ({ value: { exchange, messages } }) => {
    const keys = exchangeKeys(exchange)
    const received = new Map()
    const replies: DecidedReply[] = []
    for (const [message, { client, content }] of messages.entries()) {
      const text = new TextDecoder().decode((await store.get(keys.content(content.sha256)))!)
      const bytes = new TextEncoder().encode(String(Number(text) + CLIENTS.indexOf(client)))
      const upload = uploadName(1)
      await store.put(keys.payload(client, message, upload), bytes)
      const reply = { kind: 'Content', upload, ...digestPayload(bytes) } as const
      const about = { client, exchange, message, content: content.sha256, reply }
      const accepted = await acceptedReply(store, about)
      received.set(message, accepted.reply)
      replies.push(accepted.decided)
    }
    return { replies, states: [], map: [], received, clean: async () => {} }
  }
}

/** Stores the marker of a reply whose bytes are stored, and accepts it. */
export async function acceptedReply(
  store: ObjectStore,
  about: Pick<Reply, 'client' | 'exchange' | 'message' | 'content' | 'reply'>,
): Promise<{ readonly reply: Marked<Reply>; readonly decided: DecidedReply }> {
  const { client, exchange, message } = about
  const signer = keyNamed(client)
  await openClientKeys(store).pin(client, signer.publicKey, 'scripted')
  const bytes = signReceipt(signer, UID, {
    schema: 'fedsam.reply/1',
    ...about,
    ...{ incarnation: 'scripted', dataset: '', state: null, stateBase: null },
  } satisfies Omit<Reply, 'key' | 'signature'>)
  const key = exchangeKeys(exchange).reply(client, message)
  await store.put(key, bytes)
  const digest = sha256(bytes)
  const decided = { message, client, outcome: 'Accepted', reason: '', text: '', reply: digest } as const
  return { reply: { value: readMarker('reply', key, bytes), digest }, decided }
}
