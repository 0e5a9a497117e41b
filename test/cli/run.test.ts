// `fedsam run` as users meet it: a whole job, its exit codes, its JSON lines, Ctrl-C and going on afterwards.
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { sha256 } from '#protocol/digest.ts'
import { REMEDIES } from '#protocol/errors.ts'
import { startFedsam, toyJob } from './fedsam.ts'

let dir = ''
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'fedsam-run-'))
  await writeFile(join(dir, 'toy.yaml'), toyJob(3))
  await writeFile(join(dir, 'long.yaml'), toyJob(200))
})
after(() => rm(dir, { recursive: true, force: true }))

const modelOf = async (output: string): Promise<string> =>
  sha256(await readFile(join(dir, output, 'output', 'model.safetensors')))

test('a job runs to its end and names the output folder', async () => {
  const { code, stdout } = await startFedsam(dir, ['run', 'toy.yaml', '--output', 'plain'])
  assert.equal(code, 0)
  assert.match(stdout, /^round 3\/3 {2}3 updates/m)
  assert.match(stdout, /^complete after 3 rounds: loss 0\.0\d+/m)
  const manifest = JSON.parse(await readFile(join(dir, 'plain', 'output', 'manifest.json'), 'utf8'))
  assert.equal(manifest.rounds, 3)
})

test('a job with a site runs here as without it, to the same bytes, and says so in one line', async () => {
  const site = `partitions[1].external={publicKey: ${'a'.repeat(64)}}`
  const { code, stdout, stderr } = await startFedsam(dir, [
    'run',
    'toy.yaml',
    '--output',
    'sites',
    '--set',
    site,
  ])
  assert.equal(code, 0, stderr)
  assert.match(stdout + stderr, /: external applies only in a cluster; a run on this machine trains it here/)
  assert.equal(await modelOf('sites'), await modelOf('plain'))
})

test('bestBy: loss without a mode leaves the model of the smallest loss', async () => {
  const args = ['run', 'toy.yaml', '--output', 'best', '--set', 'evaluation={bestBy: {metric: loss}}']
  assert.equal((await startFedsam(dir, args)).code, 0)
  const read = async (name: string) =>
    JSON.parse(await readFile(join(dir, 'best', 'output', name), 'utf8')) as {
      evaluation: { loss: number }
      rounds: { evaluation: { loss: number } }[]
    }
  const losses = (await read('metrics.json')).rounds.map(({ evaluation }) => evaluation.loss)
  assert.equal(new Set(losses).size, 4, 'each model has its own loss')
  assert.equal((await read('manifest.json')).evaluation.loss, Math.min(...losses))
})

test('a metric that no client reports ends the run with 1, and the message names the reported metrics', async () => {
  const args = ['run', 'toy.yaml', '--output', 'typo', '--set', 'evaluation={bestBy: {metric: dice}}']
  const { code, stderr } = await startFedsam(dir, args)
  assert.equal(code, 1)
  assert.match(
    stderr,
    /no client reports dice, which spec.evaluation.bestBy names; reported: closeness, loss\n/,
  )
  assert.match(stderr, /^ {2}name one of the reported metrics/m)
})

test('a complete run that is started again stays complete, and trains nothing', async () => {
  const before = await modelOf('plain')
  const { code, stdout } = await startFedsam(dir, ['run', 'toy.yaml', '--output', 'plain', '--json'])
  assert.equal(code, 0)
  const events = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).event)
  assert.ok(events.includes('RunCompleted'))
  assert.ok(!events.includes('AttemptOpened'))
  assert.equal(await modelOf('plain'), before)
})

test("where the trainer provides the model, an export is that model with its card; help lists each command's options", async () => {
  const { code, stdout } = await startFedsam(dir, ['export', 'plain', '--to', 'model'])
  assert.equal(code, 0)
  assert.match(stdout, /\d+ trained tensors of round 3, the whole model\n$/)
  const exported = sha256(await readFile(join(dir, 'model', 'model.safetensors')))
  assert.equal(exported, await modelOf('plain'))
  const help = await startFedsam(dir, ['export', '--help'])
  assert.equal(help.code, 0)
  assert.match(help.stdout, /^usage: fedsam export SOURCE --to FOLDER/)
  assert.match(help.stdout, /own AWS credentials/)
})

test('a record is sound until one of its bytes changes', async () => {
  const sound = await startFedsam(dir, ['verify', 'plain'])
  assert.equal(sound.code, 0, sound.stdout)
  assert.match(sound.stdout, /the record is sound/)
  const file = join(dir, 'plain', 'rounds/3/1/model.safetensors')
  const bytes = await readFile(file)
  await writeFile(file, bytes.with(bytes.length - 1, bytes.at(-1)! ^ 1))
  const { code, stdout } = await startFedsam(dir, ['verify', 'plain'])
  assert.equal(code, 1)
  assert.match(stdout, /rounds\/3\/1\/model\.safetensors/)
})

test('--json prints only one object a line', async () => {
  const { code, stdout } = await startFedsam(dir, [
    'run',
    'toy.yaml',
    '--output',
    'json',
    '--json',
    '--set',
    'rounds=2',
  ])
  assert.equal(code, 0)
  const events = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  const completed = events.filter(({ event }) => event === 'RoundCompleted')
  assert.deepEqual(completed[0].accepted, ['site-a', 'site-b', 'site-c'])
  assert.equal(events.at(-1).event, 'RunCompleted')
})

test('Ctrl-C ends with 130, and the next start continues to the same model as an uninterrupted run', async () => {
  const whole = await startFedsam(dir, ['run', 'long.yaml', '--output', 'whole', '--set', 'rounds=20'])
  assert.equal(whole.code, 0)
  let interrupted = false
  const stopped = await startFedsam(dir, ['run', 'long.yaml', '--output', 'stopped', '--set', 'rounds=20'], {
    onLine: (line, child) => {
      if (interrupted || !line.startsWith('round  5/20')) return
      interrupted = true
      child.kill('SIGINT')
    },
  })
  assert.equal(stopped.code, 130)
  assert.match(stopped.stderr, /start the job again: it resumes from its record/)
  const resumed = await startFedsam(dir, ['run', 'long.yaml', '--output', 'stopped', '--set', 'rounds=20'])
  assert.equal(resumed.code, 0)
  assert.match(resumed.stdout, /resumes after round \d+ of 20/)
  assert.equal(await modelOf('stopped'), await modelOf('whole'))
})

test('a run with too few remaining clients fails with 1 and names the cause, in either kind of run', async () => {
  // What a restart cannot cure ends a program for good.
  const broken = toyJob(1).replace('quadratic-main.ts","toy"', 'awkward-main.ts","cannot-start"')
  await writeFile(join(dir, 'broken.yaml'), broken)
  for (const kind of [[], ['--processes']]) {
    const { code, stderr } = await startFedsam(dir, [
      'run',
      'broken.yaml',
      '--output',
      `broken${kind}`,
      ...kind,
    ])
    assert.equal(code, 1)
    assert.match(
      stderr,
      /fedsam: 0 of 3 clients are left, and a round needs 1\n(site-[abc]: .*there is no picture.*\n){3}/,
    )
  }
})

test("a trainer's error without a remedy is shown with the remedy of its code", async () => {
  const error = JSON.stringify({ type: 'error', code: 'BadData', message: 'there is no picture' })
  const command = JSON.stringify(['sh', '-c', `echo '${error}'; exit 1`])
  const speechless = toyJob(1).replace(/command: \{command: .*\}\}/, `command: {command: ${command}}}`)
  await writeFile(join(dir, 'speechless.yaml'), speechless)
  const { code, stderr } = await startFedsam(dir, ['run', 'speechless.yaml', '--output', 'speechless'])
  assert.equal(code, 1, stderr)
  assert.match(stderr, new RegExp(`^site-a: there is no picture: ${REMEDIES.BadData}$`, 'm'))
})

test('usage errors end with 2', async () => {
  for (const args of [['run'], ['fly'], ['run', 'toy.yaml', '--outptu', 'x'], ['export', 'plain']]) {
    const { code, stderr } = await startFedsam(dir, args)
    assert.equal(code, 2, args.join(' '))
    assert.notEqual(stderr, '')
  }
})
