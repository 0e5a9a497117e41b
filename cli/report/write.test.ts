// The report that `fedsam run` writes from a real record: of a run with a lost client, and of a failed run. The report reads a
// record that somebody changed only within its bounds.
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { ROOT, startFedsam, toyJob } from '#test/cli/fedsam.ts'
import { malformedTag } from '#test/given/report-page.ts'
import { openRecordFolder } from '../run/record-folder.ts'
import { gatherRunFacts } from './record-facts.ts'

let dir = ''
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'fedsam-report-'))
  // The third site's training breaks in round 2.
  await writeFile(
    join(dir, 'trainer.ts'),
    `import { serveTrainer } from '${ROOT}worker/trainer/serve.ts'
import { quadraticWork } from '${ROOT}test/trainers/quadratic.ts'
const client = process.env.FEDSAM_CLIENT ?? ''
const before = (call: string, round: number) => {
  if (client === 'site-c' && call === 'fit' && round === 2) throw new Error('out of <memory>')
}
await serveTrainer(async () => quadraticWork({ client, size: 1000, before }))
`,
  )
  const job = toyJob(3).replace(`${ROOT}test/trainers/quadratic-main.ts`, 'trainer.ts')
  await writeFile(join(dir, 'toy.yaml'), job)
})
after(() => rm(dir, { recursive: true, force: true }))

test('a run ends with the path of its report, and the report names the lost client', async () => {
  const { code, stdout } = await startFedsam(dir, ['run', 'toy.yaml', '--output', 'out'])
  assert.equal(code, 0)
  const path = /^report: (.*)$/m.exec(stdout)?.[1]
  assert.equal(path, join(dir, 'out', 'report.html'))
  const page = await readFile(path, 'utf8')
  assert.equal(malformedTag(page), undefined)
  assert.match(page, /class="state complete">Complete</)
  assert.match(page, /<b>site-c<\/b> Failed .*out of &lt;memory&gt;/)
  assert.equal(page.match(/<b>site-c<\/b>/g)?.length, 1)
  for (const round of [0, 1, 2, 3]) assert.match(page, new RegExp(`site-a, round ${round}: `))
  assert.match(page, /The trainer is a Command/)
})

test('the report of a failed run gives the reason', async () => {
  const job = (await readFile(join(dir, 'toy.yaml'), 'utf8')).replace('trainer.ts', 'missing.ts')
  await writeFile(join(dir, 'broken.yaml'), job)
  const { code, stdout } = await startFedsam(dir, ['run', 'broken.yaml', '--output', 'failed'])
  assert.equal(code, 1)
  assert.match(stdout, /^report: /m)
  const page = await readFile(join(dir, 'failed', 'report.html'), 'utf8')
  assert.match(page, /class="state failed">Failed</)
  assert.match(page, /0 of 3 clients are left/)
})

test('a marker of many megabytes, and a link in place of a marker, are rejected by name', async () => {
  const { code } = await startFedsam(dir, ['run', 'toy.yaml', '--output', 'changed'])
  assert.equal(code, 0)
  const changed = join(dir, 'changed')
  const gather = async () => gatherRunFacts(await openRecordFolder(changed), { rounds: 3 })
  assert.equal((await gather())?.state, 'Complete')
  const marker = join(changed, 'rounds/2/result.json')
  await rename(marker, join(dir, 'elsewhere.json'))
  await symlink(join(dir, 'elsewhere.json'), marker)
  await assert.rejects(gather(), { code: 'RecordDamaged', message: /rounds\/2\/result\.json/ })
  await rm(marker)
  await writeFile(marker, '{')
  await truncate(marker, 33 * 2 ** 20)
  await assert.rejects(gather(), {
    code: 'RecordDamaged',
    message: /rounds\/2\/result\.json has 34603008 bytes/,
  })
})
