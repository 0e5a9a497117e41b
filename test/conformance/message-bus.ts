// The promises of MessageBus, as tests that every implementation runs.
// An implementation's own test file opens it and calls messageBusConformance; the cases lie in the files beside.

import { after, before, describe } from 'node:test'
import type { MessageBus } from '#transport/ports.ts'
import { answerCases } from './message-bus-answers.ts'
import { faultCases } from './message-bus-faults.ts'

export interface OpenedBus {
  /** A participant of its own: with the in-process bus that is the bus itself. */
  connect(): Promise<MessageBus>
  /** What handlers threw, in order. */
  readonly errors: readonly unknown[]
  close(): Promise<void>
}

/** Returns what is open while a test runs. */
export type Opened = () => OpenedBus

export function messageBusConformance(name: string, open: () => Promise<OpenedBus>): void {
  describe(`message bus: ${name}`, () => {
    let opened: OpenedBus | undefined
    before(async () => {
      opened = await open()
    })
    after(() => opened?.close())
    const get: Opened = () => {
      if (!opened) throw new Error('the bus was not opened')
      return opened
    }
    describe('answers', () => answerCases(get))
    describe('faults', () => faultCases(get))
  })
}
