// Epochs: claims the number of a coordinator that starts, and ends a coordinator that a newer one supersedes, or that was asked to
// stop. The guard asks the store for a newer epoch every `pollSeconds`, and before steps that could harm the newer coordinator, such
// as deleting payloads. After it has found one, every check throws. The markers stay correct without the guard (markers.ts): it keeps
// two coordinators from giving clients different tasks.
import { encodeJson } from '#protocol/canonical.ts'
import { FedsamError } from '#protocol/errors.ts'
import { epochKey } from '#protocol/keys.ts'
import type { Clock } from '#runtime/clock.ts'
import type { Notifier } from '#runtime/notifier.ts'
import type { ObjectStore } from '#transport/ports.ts'
import { type RunMarkers, readRecord } from './markers.ts'

/** Claims the next epoch: the first number whose key does not exist. Epochs have no gaps, so counting up from 1 finds it. */
export async function claimEpoch(store: ObjectStore, incarnation: string): Promise<number> {
  for (let epoch = 1; ; epoch += 1) {
    if ((await store.size(epochKey(epoch))) !== undefined) continue
    const claim = encodeJson({ schema: 'fedsam.coordinator/1', epoch, incarnation })
    if ((await store.put(epochKey(epoch), claim)) === 'Created') return epoch
    const there = await readRecord(store, 'epoch', epochKey(epoch))
    if (there?.value.incarnation === incarnation) return epoch
  }
}

export interface EpochGuard {
  /** Throws Superseded where a newer coordinator was found, Interrupted where the signal is aborted. Reads nothing. */
  throwIfStopped(): void
  /** Asks the store. Throws Superseded, and what the store throws. */
  assertCurrent(): Promise<void>
  /** Asks the store every `pollSeconds`, until a newer coordinator is found or the signal is aborted. Never rejects. */
  watch(): Promise<void>
}

export interface GuardOptions {
  readonly markers: Pick<RunMarkers, 'assertCurrent'>
  readonly clock: Clock
  readonly pollSeconds: number
  /** Wakes every waiter when a newer coordinator is found, so that each ends at its next check. */
  readonly notifier: Notifier
  readonly signal: AbortSignal
}

export function openEpochGuard({ markers, clock, pollSeconds, notifier, signal }: GuardOptions): EpochGuard {
  let superseded: FedsamError | null = null
  const assertCurrent = async (): Promise<void> => {
    try {
      await markers.assertCurrent()
    } catch (error) {
      if (error instanceof FedsamError && error.code === 'Superseded') {
        superseded = error
        notifier.notify()
      }
      throw error
    }
  }
  return {
    assertCurrent,
    throwIfStopped() {
      if (superseded !== null) throw superseded
      if (!signal.aborted) return
      throw new FedsamError('Interrupted', 'the coordinator was asked to stop', {
        remedy: 'start the job again: it resumes from its record',
      })
    },
    async watch() {
      while (!signal.aborted && superseded === null) {
        await clock.sleep(pollSeconds, signal)
        // A store that cannot be reached is asked again after the next pause.
        if (!signal.aborted) await assertCurrent().catch(() => {})
      }
    },
  }
}
