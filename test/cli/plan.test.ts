// `fedsam plan` and `fedsam run` of one job file for laptop and cluster: a job of the user's program has a plan, and fields that
// only a cluster has are named or refused by both commands.
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { ROOT, startFedsam, toyJob } from './fedsam.ts'
import { makeSamJob } from './sam-job.ts'

let dir: string
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'fedsam-plan-'))
  await makeSamJob(dir)
  await writeFile(join(dir, 'toy.yaml'), toyJob(1))
})
after(() => rm(dir, { recursive: true, force: true }))

test("a job of the user's program has a plan", async () => {
  const { code, stdout, stderr } = await startFedsam(dir, [
    'plan',
    'toy.yaml',
    '--set',
    'strategy.type=FedAdam',
  ])
  assert.equal(stderr, '')
  assert.equal(code, 0)
  const program = `node ${ROOT}test/trainers/quadratic-main.ts toy 1000`
  assert.deepEqual(stdout.split('\n').slice(0, 4), [
    'toy: 1 round of FedAdam over 3 partitions',
    `trainer     ${program}`,
    'exchanged   not known before the run: the first client that answers says which tensors travel',
    'each round  3 clients train, 3 evaluate; at least 2 updates must arrive',
  ])
  assert.match(stdout, /optimizer {3}keeps 2 vectors/)
  const json = await startFedsam(dir, ['plan', 'toy.yaml', '--json'])
  const { plan, remarks } = JSON.parse(json.stdout)
  assert.deepEqual([plan.cohort, plan.evaluators, plan.command.join(' '), remarks], [3, 3, program, []])
})

const inCluster = (source: string): string[] =>
  [`partitions[0].source=${source}`, 'activeDeadlineSeconds=60', 'storage={s3: {}}'].flatMap((set) => [
    '--set',
    set,
  ])

test('plan and run accept a job file of a cluster, and name the fields that they ignore', async () => {
  const claim = inCluster('{persistentVolumeClaim: {claimName: data-a}}')
  const planned = await startFedsam(dir, ['plan', 'job.yaml', ...claim])
  assert.equal(planned.code, 0, planned.stderr)
  const bucket = inCluster('{s3: {uri: s3://one/a}}')
  const ran = await startFedsam(dir, ['run', 'toy.yaml', '--output', join(dir, 'out'), ...bucket])
  assert.equal(ran.code, 0, ran.stderr)
  const deadline =
    'activeDeadlineSeconds: 60 applies only in a cluster; a run on this machine has no deadline'
  const root = `a: source applies only in a cluster; a run on this machine reads ${join(dir, 'a')}`
  for (const line of [root, deadline]) assert.ok(planned.stdout.split('\n').includes(line), planned.stdout)
  const elsewhere = 'site-a: source applies only in a cluster; a run on this machine reads /data'
  for (const line of [elsewhere, deadline]) assert.ok(ran.stdout.split('\n').includes(line), ran.stdout)
})

test('plan and run reject a reserved value, by the rule of the schema', async () => {
  for (const command of ['plan', 'run']) {
    const set = 'trainer.segmentAnything.backend=WebGPU'
    const { code, stderr } = await startFedsam(dir, [command, 'job.yaml', '--set', set])
    assert.equal(code, 2)
    const says =
      'spec.trainer.segmentAnything.backend: "WebGPU" is not available in this version; set Auto, TensorFlow, Wasm or CPU\n'
    assert.equal(stderr, `fedsam: --set ${set}: ${says}`)
  }
})

test('plan names the variables that a cluster would set, and run rejects the job without them', async () => {
  const env = '[{name: SITE_KEY, valueFrom: {secretKeyRef: {name: k, key: v}}}, {name: SITE, value: a}]'
  const set = ['--set', `trainer.command.env=${env}`]
  const planned = await startFedsam(dir, ['plan', 'toy.yaml', ...set])
  assert.equal(planned.code, 0, planned.stderr)
  const says =
    '  variable    SITE_KEY comes from a Secret or another object of a cluster; export it and add --pass-env SITE_KEY to fedsam run'
  assert.deepEqual(
    planned.stdout.split('\n').filter((line) => line.includes('SITE')),
    [says],
  )
  const { code, stderr } = await startFedsam(dir, ['run', 'toy.yaml', '--output', join(dir, 'keyed'), ...set])
  assert.equal(code, 2)
  assert.match(stderr, /spec\.trainer\.command\.env\[SITE_KEY\]/)
})

test('a site whose data is not here is planned without it, and the plan says what it cannot know; run wants the data', async () => {
  const key = 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a'
  const of = (at: number) => [
    ...['--set', `partitions[${at}].external={publicKey: ${key.slice(0, -1)}${at}}`],
    ...['--set', `partitions[${at}].dataset.root=at-the-site-${at}`],
  ]
  const evaluation = ['--set', 'evaluation={bestBy: {metric: dice}}']
  const one = await startFedsam(dir, ['plan', 'job.yaml', ...of(0), ...evaluation])
  assert.equal(one.code, 0, one.stderr)
  const lines = one.stdout.split('\n')
  for (const line of [
    '  steps       b 2',
    '  sites       a: data at the site; its images, its steps and what it holds out are not known here',
    `a: data at the site; a run on this machine needs it in ${join(dir, 'at-the-site-0')}`,
  ])
    assert.ok(lines.includes(line), one.stdout)
  assert.match(one.stdout, /^each round {2}2 clients train, 2 evaluate/m)
  const both = await startFedsam(dir, ['plan', 'job.yaml', '--json', ...of(0), ...of(1), ...evaluation])
  const { plan, preflight } = JSON.parse(both.stdout)
  assert.deepEqual([plan.atSites, plan.steps, preflight, plan.cohort], [['a', 'b'], {}, [], 2])
  const ran = await startFedsam(dir, ['run', 'job.yaml', ...of(0), '--output', join(dir, 'no-data')])
  assert.equal(ran.code, 2)
  assert.match(ran.stderr, /^fedsam: a: .*at-the-site-0/)
})
