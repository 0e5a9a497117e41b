// A recorded run: every message between its clients and its coordinator, byte by byte and in order, and every object of its store. The
// files under test/golden/conversation/ are of earlier releases, and are never written again: record.ts wrote them.
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { FixedSettings, LiveSettings, Pace } from '#coordinator/settings/settings.ts'
import type { GrantedTransfers, MessageBus } from '#transport/ports.ts'
import { keyNamed } from '../given/signed.ts'

/** What happened, in order. A message is a line of JSON, a line feed, and JSON: text. */
export type Recorded =
  | {
      readonly event: 'Request'
      readonly exchange: number
      readonly client: string
      readonly message: string
    }
  | { readonly event: 'Answer'; readonly exchange: number; readonly message: string }
  /** A client wrote the object with this key. */
  | { readonly event: 'Write'; readonly key: string }

export interface Recording {
  readonly events: readonly Recorded[]
  /** The store at the end of the run, by key. */
  readonly objects: ReadonlyMap<string, Uint8Array>
}

/** The run that is recorded: "a" has a key of its own, and the job names the key of the site "b". */
export const RUN = {
  clients: ['a', 'b'],
  rounds: 2,
  size: 8,
  /** Long times: no answer may depend on when it comes. */
  pace: { holdSeconds: 600, silenceSeconds: 6000 } satisfies Partial<Pace>,
  answerSeconds: 1200,
  /** Every model and every update stays in the recording. */
  fixed: { uid: 'recorded', retentionRounds: 10 } satisfies Partial<FixedSettings>,
}
export const KEYS = new Map(RUN.clients.map((client) => [client, keyNamed(`recorded ${client}`)]))
export const STRANGER = keyNamed('recorded stranger')

/** Names the key of the site in the job. */
export function nameSite(live: { members: LiveSettings['members'] }): void {
  const { publicKey } = KEYS.get('b')!
  live.members = live.members.map((member) => (member.name === 'b' ? { ...member, publicKey } : member))
}

const folderOf = (version: number): string =>
  fileURLToPath(new URL(`../golden/conversation/v${version}`, import.meta.url))

/** The recording of the last release with this version of the conversation. */
export async function readRecording(version: number): Promise<Recording> {
  const read = async (name: string): Promise<unknown> =>
    JSON.parse(await readFile(join(folderOf(version), name), 'utf8'))
  const objects = (await read('objects.json')) as Record<string, string>
  return {
    events: (await read('events.json')) as Recorded[],
    objects: new Map(Object.entries(objects).map(([key, body]) => [key, Buffer.from(body, 'base64')])),
  }
}

export async function writeRecording(version: number, { events, objects }: Recording): Promise<void> {
  const folder = folderOf(version)
  await mkdir(folder, { recursive: true })
  const bodies = [...objects].map(([key, body]) => [key, Buffer.from(body).toString('base64')])
  const write = (name: string, value: unknown): Promise<void> =>
    writeFile(join(folder, name), `${JSON.stringify(value, null, 1)}\n`)
  await write('events.json', events)
  await write('objects.json', Object.fromEntries(bodies.sort()))
}

/** A bus that notes each request that is sent on it, and the answer that its sender takes. */
export function recordingBus(bus: MessageBus, events: Recorded[]): MessageBus {
  let exchanges = 0
  const text = (message: Uint8Array): string => new TextDecoder('utf-8', { fatal: true }).decode(message)
  return {
    ...bus,
    request(subject, body, { accept = () => true, ...options }) {
      exchanges += 1
      const exchange = exchanges
      const client = subject.split('.').at(-2)!
      events.push({ event: 'Request', exchange, client, message: text(body) })
      return bus.request(subject, body, {
        ...options,
        accept(answer) {
          const taken = accept(answer)
          if (taken) events.push({ event: 'Answer', exchange, message: text(answer) })
          return taken
        },
      })
    },
  }
}

/** Transfers that note each object that is written through them. */
export function recordingTransfers(transfers: GrantedTransfers, events: Recorded[]): GrantedTransfers {
  return {
    ...transfers,
    async write(grant, body, digest) {
      const written = await transfers.write(grant, body, digest)
      events.push({ event: 'Write', key: new URL(grant.url).pathname })
      return written
    },
  }
}
