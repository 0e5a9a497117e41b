// Who is there, as a program asks it. The first answer of a coordinator waits until every partition is ready, or for
// round.availabilitySeconds: a coordinator that has just started has heard nobody yet. Every later answer comes at once.
import { canonicalJson } from '#protocol/canonical.ts'
import { FedsamError } from '#protocol/errors.ts'
import type { Member } from '#protocol/exchange.ts'
import { waitAtMost } from '#runtime/notifier.ts'
import type { ProgramContext } from './context.ts'
import { memberOf } from './lists.ts'

type Waiting = Pick<
  ProgramContext,
  'live' | 'presence' | 'guard' | 'notifier' | 'clock' | 'pace' | 'observe' | 'signal'
>

/** The clients that are ready, in the order of the partitions. */
export function readyMembers({
  live,
  presence,
  fixed,
}: Pick<ProgramContext, 'live' | 'presence' | 'fixed'>): Member[] {
  return live().members.flatMap(({ name }, place) =>
    presence.isReady(name) ? [memberOf(fixed, name, place)] : [],
  )
}

/** Waits for the clients. Throws RunFailed where not one is ready in time. */
export async function awaitClients(context: Waiting, exchange: number): Promise<void> {
  const { live, presence, guard, notifier, clock, pace } = context
  const report = reportWaiting(context, exchange)
  const began = clock.now()
  for (;;) {
    guard.throwIfStopped()
    const notified = notifier.next()
    const { members, round } = live()
    const names = members.map(({ name }) => name)
    const missing = names.filter((name) => !presence.isReady(name))
    const left = round.availabilitySeconds - (clock.now() - began)
    if (missing.length === 0 || (left <= 0 && missing.length < names.length)) return
    if (left <= 0) throw nobody(round.availabilitySeconds)
    report(names, missing)
    await waitAtMost(notified, Math.min(left, pace.silenceSeconds), context)
  }
}

function nobody(seconds: number): FedsamError {
  return new FedsamError('RunFailed', `no client was ready within ${seconds} s`, {
    reason: 'TooFewClients',
    remedy: 'find out why the clients do not start, or raise round.availabilitySeconds',
  })
}

/** Reports what the program waits for, each time that it changes. */
function reportWaiting(
  { presence, observe }: Pick<Waiting, 'presence' | 'observe'>,
  exchange: number,
): (roster: readonly string[], missing: readonly string[]) => void {
  let reported = ''
  return (roster, missing) => {
    const absent = missing.map(presence.absence)
    const text = canonicalJson(absent)
    if (reported === text) return
    reported = text
    const available = roster.filter((name) => !missing.includes(name))
    const about = { round: exchange, attempt: 1, kind: 'Train', needed: 1 } as const
    observe({ event: 'Waiting', ...about, roster, available, missing, absent })
  }
}
