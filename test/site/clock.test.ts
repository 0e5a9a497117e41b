// A site whose clock is ten minutes off: it takes part, says so once, and `fedsam site check` names the difference. The agent is a process
// of its own, and only its clock is wrong.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { startFedsam } from '../cli/fedsam.ts'
import { wrongClock } from '../faults/wrong-clock.ts'
import { runFederation } from '../federation/federation.ts'
import { until } from '../until.ts'
import { JOIN, OPTIONS, openJob } from './joined-job.ts'
import { openSiteFederation } from './site-federation.ts'

const MINUTES = 10

for (const [way, sign] of [
  ['ahead of', 1],
  ['behind', -1],
] as const)
  test(`a site whose clock is ten minutes ${way} that of the federation: the same bytes, and a remark`, async (t) => {
    const expected = await runFederation(OPTIONS)
    const { federation, folder, run } = await openJob(t)
    const env = wrongClock({ secondsAhead: sign * MINUTES * 60 })
    const before = Date.now()
    const checked = await startFedsam(folder, ['site', 'check', 'site.yaml', '--network'], { env })
    assert.equal(checked.code, 0, checked.stderr + checked.stdout)
    const remark = new RegExp(`clock heart: this machine's clock is (\\d+) s ${way} that of the entry`)
    const [, seconds] = remark.exec(checked.stdout.replace(/\s+/g, ' ')) ?? [undefined, checked.stdout]
    assertMinutes(Number(seconds) / 60)

    const { code, stdout, stderr } = await run(startFedsam(folder, JOIN, { env }))
    assert.equal(code, 0, stderr + stdout)
    assert.equal(await federation.model(), expected.model)
    const said = [...stdout.matchAll(/this clock is (\d+) s (ahead of|behind) that of the server/g)]
    assert.deepEqual(
      said.map(([, , way]) => way),
      [way],
      stdout,
    )
    assertMinutes(Number(said[0]![1]) / 60)
    // The clock was wrong in the agent, not only in its arguments.
    const [first] = (await readFile(join(folder, 'state', 'audit.jsonl'), 'utf8')).split('\n')
    assertMinutes((sign * (Date.parse((JSON.parse(first!) as { time: string }).time) - before)) / 60_000)
  })

test('the difference is said once, and again when it changes, however often the site connects', async (t) => {
  const { gate, startSite, close } = await openSiteFederation(['hospital-a'], OPTIONS)
  t.after(close)
  let ahead = MINUTES * 60_000
  const { lines } = startSite('hospital-a', { wallTime: () => Date.now() + ahead })
  const clockLines = () =>
    lines.filter((line) => line.includes('this clock')).map((line) => line.replace(/\d+ s/, 'N s'))
  const connectsAgain = async (): Promise<void> => {
    const before = gate.verdicts.length
    await until('the site connected again', () => gate.verdicts.length > before + 1)
  }
  await connectsAgain()
  const said = ['this clock is N s ahead of that of the server']
  assert.deepEqual(clockLines(), said)
  ahead = 0
  await connectsAgain()
  assert.deepEqual(clockLines(), [...said, 'this clock agrees with that of the server again'])
})

/** Ten minutes, with room for what a slow machine adds between two readings. */
function assertMinutes(minutes: number): void {
  assert.equal(Math.round(minutes / 10), 1, `${minutes} minutes`)
}
