// A way to the store that is down for longer than a transfer tries: the site continues with the same round afterwards, and the round does not lose it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startFedsam } from '../cli/fedsam.ts'
import { eventsOf, runFederation, seen } from '../federation/federation.ts'
import { until } from '../until.ts'
import { JOIN, OPTIONS, openJob, SITE } from './joined-job.ts'

test('a store that a site cannot reach in a round, until every try of the transfer has failed: the same round, the same bytes', async (t) => {
  const expected = await runFederation(OPTIONS)
  const { federation, edge, folder, run } = await openJob(t)
  const lines: string[] = []
  const joined = startFedsam(folder, JOIN, {
    onLine(line) {
      lines.push(line)
      if (line.endsWith('round 1: trains')) edge.setStoreDown(true)
    },
  })
  const over = run(joined)
  await seen(federation, 'UpdateAdmitted', ({ round, client }) => round === 1 && client === 'pod')
  await until(
    'the transfer has failed',
    () => lines.some((line) => /round 1: .*; the site tries again$/.test(line)),
    {
      instead: () => lines,
    },
  )
  edge.setStoreDown(false)
  const { code, stdout, stderr } = await over
  assert.equal(code, 0, stderr + stdout)
  assert.equal(await federation.model(), expected.model)
  assert.deepEqual(eventsOf(federation.events, 'ClientFailed'), [])
  assert.deepEqual(
    eventsOf(federation.events, 'UpdateAdmitted').filter(({ client }) => client === SITE).length,
    OPTIONS.rounds,
  )
})
