// How long a reflector waits before it asks again; the faults themselves meet it in test/cluster/runtime-watches.test.ts.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ApiError, type KubernetesClient } from '#transport/kubernetes/calls.ts'
import { reflect } from './reflector.ts'

interface Asked {
  readonly lists: number
  readonly watches: number
  readonly pauses: readonly number[]
}

/** Reflects until so many pauses were made; `lines` is every watch. */
async function reflected(pauses: number, lines: () => AsyncIterable<never>): Promise<Asked> {
  const stop = new AbortController()
  const asked = { lists: 0, watches: 0, pauses: [] as number[] }
  const client = {
    async call() {
      asked.lists += 1
      return { metadata: { resourceVersion: '1' }, items: [] }
    },
    lines() {
      asked.watches += 1
      return lines()
    },
  } as unknown as KubernetesClient
  const nothing = (): void => {}
  await reflect(client, {
    path: '/api/v1/pods',
    follower: {
      ...{ listing: nothing, page: nothing, listed: nothing },
      ...{ changed: nothing, deleted: nothing, reached: nothing },
    },
    onError: nothing,
    signal: stop.signal,
    random: () => 0.5,
    async pause(milliseconds) {
      asked.pauses.push(milliseconds)
      if (asked.pauses.length === pauses) stop.abort()
    },
  })
  return asked
}

/** Each pause is longer than the one before, up to half a minute. */
function assertGrowing(pauses: readonly number[]): void {
  assert.ok(pauses[0]! >= 400, String(pauses))
  const growing = pauses.filter((pause, i) => i > 0 && pause > pauses[i - 1]!)
  assert.ok(growing.length >= 4, String(pauses))
  assert.ok(pauses.every((pause) => pause <= 60_000))
  assert.ok(pauses.at(-1)! >= 15_000, String(pauses))
}

test('a server that ends every watch at once is asked after longer and longer pauses, and not for a list', async () => {
  const { lists, watches, pauses } = await reflected(12, async function* () {})
  assert.deepEqual([lists, watches], [1, 12])
  assertGrowing(pauses)
})

test('a server that has lost every history is listed after longer and longer pauses', async () => {
  // biome-ignore lint/correctness/useYield: it fails before its first line
  const { lists, pauses } = await reflected(12, async function* () {
    throw new ApiError(410, 'Expired', 'too old')
  })
  assert.equal(lists, 12)
  assertGrowing(pauses)
})
