// Records the conversation of this release: node test/conversation/record.ts VERSION. Run it before the first change of a new version, so
// that the recording is of the release with the earlier one. It refuses to replace a recording.
import assert from 'node:assert/strict'
import { parseArgs } from 'node:util'
import { createInProcessBus } from '#transport/bus/in-process/bus.ts'
import { createGrantedTransfers } from '#transport/grants/transfers.ts'
import { openFederation } from '../federation/federation.ts'
import { createMemoryStore } from '../given/memory-store.ts'
import {
  KEYS,
  nameSite,
  type Recorded,
  RUN,
  readRecording,
  recordingBus,
  recordingTransfers,
  STRANGER,
  writeRecording,
} from './recording.ts'

const version = Number(parseArgs({ allowPositionals: true }).positionals[0])
assert.ok(Number.isSafeInteger(version), 'name the version of the conversation')
await assert.rejects(readRecording(version), /ENOENT/, `version ${version} is recorded already`)

const events: Recorded[] = []
const store = createMemoryStore()
const bus = createInProcessBus()
const federation = await openFederation({
  ...RUN,
  store,
  bus,
  workerBus: recordingBus(bus, events),
  transfers: recordingTransfers(createGrantedTransfers({ memory: store }), events),
})
nameSite(federation.live)
const run = federation.coordinate()
assert.equal(await federation.work('b', { key: STRANGER, incarnation: 'stranger' }), 'Refused')
for (const [client, key] of KEYS) void federation.work(client, { key, incarnation: `${client}-life` })
assert.equal((await run).rounds, RUN.rounds)
const keys = await store.list('')
assert.ok(keys !== undefined && keys.length < 1000)
const objects = new Map(await Promise.all(keys.map(async (key) => [key, (await store.get(key))!] as const)))
await federation.close()
await writeRecording(version, { events, objects })
