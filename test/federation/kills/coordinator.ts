// A coordinator in a process of its own that can end itself at any of its writes: node coordinator.ts ORDERS
import { certifyBy } from '#coordinator/clients/local-certifier.ts'
import { coordinate } from '#coordinator/run/run-from-record.ts'
import { systemClock } from '#runtime/clock.ts'
import { connectNats } from '#transport/bus/nats/bus.ts'
import { openFilesystemStore } from '#transport/store/filesystem/store.ts'
import { recordingStore } from '../../faults/recording-store.ts'
import { CERTIFIER } from '../../given/signed.ts'
import { averageIn, programSettings } from '../../programs/exchanges.ts'
import { asRecorded } from '../federation.ts'
import { liveSettings, type Orders, obey, PACE, settingsOf } from './job.ts'

const orders = JSON.parse(process.argv[2]!) as Orders
const store = await openFilesystemStore({ folder: orders.folder, durable: false })
const bus = await connectNats({ url: orders.nats })
const live = liveSettings()
// The same run.json as that of the successor in the test's process.
const { uid, source, isProgram, scratch } = orders
const fixed = asRecorded(isProgram ? programSettings(uid) : settingsOf(uid, source))
await coordinate({
  store: recordingStore(store, obey(orders)),
  bus,
  fixed,
  live: () => live,
  clock: systemClock(),
  pace: PACE,
  observe: () => {},
  certify: certifyBy(CERTIFIER, fixed),
  signal: new AbortController().signal,
  ...(isProgram ? { program: averageIn(scratch) } : {}),
})
process.exit(0)
