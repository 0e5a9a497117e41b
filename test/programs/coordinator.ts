// A coordinator of a scripted Program run in a process of its own, that kills itself at one of its writes: node coordinator.ts ORDERS
import { openFilesystemStore } from '#transport/store/filesystem/store.ts'
import { recordingStore } from '../faults/recording-store.ts'
import { runScripted } from './scripted.ts'

/** The one argument of the process. */
export interface Orders {
  /** Of the store, and of the program's files. */
  readonly record: string
  readonly folder: string
  readonly flaw: string
  /** It ends itself with SIGKILL at its write of this key. */
  readonly key: string
  readonly phase: 'before' | 'after'
}

const orders = JSON.parse(process.argv[2]!) as Orders
const store = recordingStore(
  await openFilesystemStore({ folder: orders.record, durable: false }),
  async (_index, _operation, key, phase) => {
    if (key !== orders.key || phase !== orders.phase) return
    process.kill(process.pid, 'SIGKILL')
    await new Promise(() => {}) // nothing more happens in this process
  },
)
await runScripted({ ...orders, store })
