// What an implementation of MessageBus opens for the conformance tests, and how a test case gets it.
import type { MessageBus } from '#transport/ports.ts'

export interface OpenedBus {
  /** Connects one more participant; with the in-process bus, that is the bus itself. */
  connect(): Promise<MessageBus>
  /** The errors that handlers threw, in order. */
  readonly errors: readonly unknown[]
  close(): Promise<void>
}

/** Returns the bus that is open while a test runs. */
export type Opened = () => OpenedBus
