// A site whose federation has another release, behind the gate's real code: one version apart it takes part, two apart both sides show both
// versions, and the site takes part once the federation was upgraded, without a restart.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CONVERSATION } from '#protocol/version.ts'
import { systemClock } from '#runtime/clock.ts'
import type { UnreadableRun } from '#site/agent/site-worker.ts'
import { eventsOf, type FederationOptions, runFederation, seen } from '../federation/federation.ts'
import { until } from '../until.ts'
import { openSiteFederation, SIZE } from './site-federation.ts'

const OPTIONS: FederationOptions = {
  clients: ['hospital', 'pod'],
  rounds: 2,
  pace: { holdSeconds: 1, silenceSeconds: 100_000 },
  answerSeconds: 4,
}
const LATER = CONVERSATION + 2

for (const version of [CONVERSATION - 1, CONVERSATION + 1])
  test(`a site of version ${version} takes part with a coordinator of version ${CONVERSATION}, to the same bytes`, async () => {
    const expected = await runFederation({ ...OPTIONS, size: SIZE })
    const { federation, startSite, close } = await openSiteFederation(['hospital'], OPTIONS)
    try {
      startSite('hospital', { version })
      void federation.work('pod')
      await federation.coordinate()
      assert.equal(await federation.model(), expected.model)
    } finally {
      await close()
    }
  })

test('a site that is two versions apart says so once, tries again after a pause, and takes part after an upgrade', async () => {
  const expected = await runFederation({ ...OPTIONS, size: SIZE })
  const { federation, startSite, close } = await openSiteFederation(['hospital'], OPTIONS)
  try {
    const refusals: UnreadableRun[] = []
    /** The site's pauses before another try; the test ends each. */
    const pauses: { readonly seconds: number; readonly end: () => void }[] = []
    const clock = systemClock()
    const site = startSite('hospital', {
      clock: {
        ...clock,
        sleep: (seconds, signal) => {
          if (seconds < 10) return clock.sleep(seconds, signal)
          const { promise, resolve } = Promise.withResolvers<void>()
          pauses.push({ seconds, end: resolve })
          signal?.addEventListener('abort', () => resolve(), { once: true })
          return promise
        },
      },
      onOtherVersion: async (run) => void refusals.push(run),
    })
    void federation.work('pod', { version: LATER })
    const stop = new AbortController()
    const first = federation.coordinate({ version: LATER, signal: stop.signal }).catch(() => {})
    for (const tries of [1, 2]) {
      await until(`it pauses after try ${tries}`, () => pauses.length === tries, {
        instead: () => site.lines,
      })
      if (tries === 1) pauses[0]!.end()
    }
    const versions = `version ${CONVERSATION} of the conversation and the coordinator version ${LATER}`
    assert.deepEqual(
      pauses.map(({ seconds }) => seconds),
      [30, 30],
    )
    assert.equal(site.lines.filter((line) => line.includes(versions)).length, 1, site.lines.join('\n'))
    const [refusal, ...more] = refusals
    assert.deepEqual([refusal?.place.client, more], ['hospital', []])
    assert.ok(refusal?.reason.includes(versions), refusal?.reason)
    assert.match(refusal?.reason ?? '', /upgrade the client's FedSAM$/)
    const told = eventsOf(federation.events, 'ClientRefused')
    assert.deepEqual(
      told.map(({ client, reason }) => [client, reason]),
      [['hospital', 'OtherVersion']],
    )
    assert.ok(told[0]?.message.includes(versions))
    assert.deepEqual(site.ends, [])
    stop.abort()
    await first
    const run = federation.coordinate({ version: CONVERSATION + 1 })
    await seen(federation, 'RunStarted', ({ epoch }) => epoch === 2)
    pauses[1]!.end()
    await run
    assert.equal(await federation.model(), expected.model)
  } finally {
    await close()
  }
})
