// The pauses between tries, by their properties, and the loop that retries, on a clock that records its pauses.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { pauseAfter } from './backoff.ts'
import type { Clock } from './clock.ts'
import { retry } from './retry.ts'

const seconds = fc.double({ min: 0, max: 1e6, noNaN: true })
const backoffs = fc.record({ first: seconds, longest: seconds })
const failureCounts = fc.oneof(
  fc.integer({ min: 1, max: 100 }),
  fc.maxSafeNat().map((count) => count + 1),
)
const randoms = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })

describe('the pause', () => {
  test('doubles with each failure in a row, up to the longest', () => {
    const doubles = fc.property(failureCounts, backoffs, (failures, backoff) => {
      const pause = pauseAfter(failures, backoff)
      const { first, longest } = backoff
      if (failures === 1) assert.equal(pause, Math.min(first, longest))
      assert.ok(pause >= 0 && pause <= longest, `${pause}`)
      if (failures <= 50)
        assert.equal(pauseAfter(failures + 1, backoff), Math.min(first * 2 ** failures, longest))
      else assert.equal(pauseAfter(failures + 1, backoff), pause)
    })
    fc.assert(doubles)
  })

  test('jitter takes at most half of it, and more the larger the random number is', () => {
    const jittered = fc.property(
      failureCounts,
      backoffs,
      randoms,
      randoms,
      (failures, backoff, one, other) => {
        const full = pauseAfter(failures, backoff)
        const [low, high] = one < other ? [one, other] : [other, one]
        const [more, less] = [pauseAfter(failures, backoff, low), pauseAfter(failures, backoff, high)]
        assert.ok(full >= more && more >= less && less >= full / 2, `${full} ${more} ${less}`)
      },
    )
    fc.assert(jittered)
    assert.equal(pauseAfter(3, { first: 1, longest: 30 }, 0.5), 3)
  })

  test('is 0 s after no failure', () => {
    fc.assert(fc.property(backoffs, randoms, (backoff, random) => pauseAfter(0, backoff, random) === 0))
  })
})

/** A clock that sleeps no time and records every pause. */
function recordingClock(onSleep: (pauses: number) => void = () => {}): Clock & { readonly pauses: number[] } {
  const pauses: number[] = []
  return {
    pauses,
    now: () => 0,
    async sleep(pause) {
      pauses.push(pause)
      onSleep(pauses.length)
    },
  }
}

const BACKOFF = { first: 1, longest: 4 }

/** Work that fails with each of these errors, then succeeds. */
function failing(errors: readonly string[]): () => Promise<string> {
  const left = [...errors]
  return async () => {
    const error = left.shift()
    if (error !== undefined) throw new Error(error)
    return 'done'
  }
}

describe('the loop', () => {
  test('returns what the work returns, and pauses after each failure', async () => {
    const clock = recordingClock()
    const seen: string[] = []
    const onFailure = (error: unknown, failures: number): undefined => {
      seen.push(`${(error as Error).message} ${failures}`)
    }
    const done = await retry(failing(['a', 'b', 'c', 'd']), { backoff: BACKOFF, onFailure, clock })
    assert.equal(done, 'done')
    assert.deepEqual(clock.pauses, [1, 2, 4, 4])
    assert.deepEqual(seen, ['a 1', 'b 2', 'c 3', 'd 4'])
  })

  test('ends with the error that the caller throws, without another try', async () => {
    const clock = recordingClock()
    const onFailure = (error: unknown, failures: number): undefined => {
      if (failures === 2) throw new Error('gave up', { cause: error })
    }
    const ended = retry(failing(['a', 'b', 'c']), { backoff: BACKOFF, onFailure, clock })
    await assert.rejects(ended, { message: 'gave up', cause: new Error('b') })
    assert.deepEqual(clock.pauses, [1])
  })

  test('begins a new row of failures after progress', async () => {
    const clock = recordingClock()
    const counts: number[] = []
    const onFailure = ({ message }: Error, failures: number): 'Progress' | undefined => {
      counts.push(failures)
      return message === 'further' ? 'Progress' : undefined
    }
    await retry(failing(['a', 'b', 'further', 'a', 'b']), {
      backoff: BACKOFF,
      onFailure: (error, failures) => onFailure(error as Error, failures),
      clock,
    })
    assert.deepEqual(counts, [1, 2, 3, 1, 2])
    assert.deepEqual(clock.pauses, [1, 2, 1, 1, 2])
  })

  test('ends as Interrupted where the signal aborts a pause', async () => {
    const stop = new AbortController()
    const clock = recordingClock((pauses) => {
      if (pauses === 3) stop.abort()
    })
    let tries = 0
    const work = async (): Promise<never> => {
      tries += 1
      throw new Error('again')
    }
    const onFailure = (_: unknown, failures: number): undefined => {
      if (failures > 10) throw new Error('the signal did not end the loop')
    }
    const ended = retry(work, { backoff: BACKOFF, onFailure, signal: stop.signal, clock })
    await assert.rejects(ended, { code: 'Interrupted' })
    assert.equal(tries, 3)
  })
})
