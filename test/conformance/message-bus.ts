// The guarantees of MessageBus, as tests that every implementation runs.
// An implementation's own test file opens it and calls messageBusConformance; the message-bus-*.ts files hold the cases.

import { after, before, describe } from 'node:test'
import { answerCases } from './message-bus-answers.ts'
import { faultCases } from './message-bus-faults.ts'
import type { Opened, OpenedBus } from './opened-bus.ts'

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
