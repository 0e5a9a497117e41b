// A bus that loses, doubles and delays messages, as a network may: a wrapper around any other one.

import { setTimeout as sleep } from 'node:timers/promises'
import { type MessageBus, NoAnswer } from '#transport/ports.ts'

export type MessageFault =
  | { readonly kind: 'LoseRequest' } // nobody hears it
  | { readonly kind: 'LoseAnswer' } // it is served, and its sender does not learn it
  | { readonly kind: 'Double' } // it arrives twice, with one reply address: the first answer counts
  | { readonly kind: 'Delay'; readonly ms: number } // others overtake it

export interface BusFaults {
  /** What happens to the index-th request (from 0) of this bus; undefined: nothing. */
  readonly plan: (index: number, subject: string) => MessageFault | undefined
  /** After how many milliseconds a sender gives a lost message up, at most its own time; 50 unless told. */
  readonly patienceMs?: number
}

export function faultyBus(bus: MessageBus, { plan, patienceMs = 50 }: BusFaults): MessageBus {
  let sent = 0
  return {
    ...bus,
    async request(subject, body, options) {
      const fault = plan(sent++, subject)
      if (fault?.kind === 'Delay') await sleep(fault.ms)
      if (fault?.kind === 'LoseRequest' || fault?.kind === 'LoseAnswer') {
        if (fault.kind === 'LoseAnswer') void bus.request(subject, body, options).catch(() => {})
        await sleep(Math.min(patienceMs, options.timeoutMs))
        throw new NoAnswer(`${subject}: lost on purpose`)
      }
      if (fault?.kind === 'Double')
        return Promise.race([bus.request(subject, body, options), bus.request(subject, body, options)])
      return bus.request(subject, body, options)
    },
  }
}
