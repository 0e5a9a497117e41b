// A site's file: what it means, and the exact words for each mistake, with line and column.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { FedsamError } from '#protocol/errors.ts'
import { MOST_SITE_FILE_BYTES } from '#site/file/schema.ts'
import { readSite } from './load.ts'

const KEY = '5eed'.repeat(16)
const GOOD = `key: site.key
folder: state
federations:
  - name: heart
    trust: [${KEY}]
    bus: wss://fed.example.org/bus
    store: https://fed.example.org
    ca: ca.pem
    jobs:
      - {job: team/brain, dataset: brain}
      - job: team/other
        dataset: brain
        trainer: own
datasets:
  brain: {path: /data/brain, limits: {updates: 5}}
trainers:
  own:
    command: [/opt/python, -m, trainer]
    env: {THREADS: "4"}
`

const read = (text: string | Uint8Array) =>
  readSite('/etc/fedsam/site.yaml', typeof text === 'string' ? Buffer.from(text) : text)

function refusal(text: string): string {
  try {
    read(text)
  } catch (error) {
    assert.ok(error instanceof FedsamError && error.code === 'InvalidJob', String((error as Error).stack))
    return error.message.replaceAll('/etc/fedsam/site.yaml', 'FILE')
  }
  return 'accepted'
}

test('a file is read with its defaults, its absolute paths and its lines', () => {
  const { lineOf, ...site } = read(GOOD)
  const [federation] = site.federations
  assert.equal(site.key, '/etc/fedsam/site.key')
  assert.equal(site.folder, '/etc/fedsam/state')
  assert.equal(federation?.ca, '/etc/fedsam/ca.pem')
  assert.equal(federation?.store, 'https://fed.example.org')
  assert.deepEqual(federation?.jobs, [
    { job: { namespace: 'team', name: 'brain' }, dataset: 'brain', trainer: 'SegmentAnything' },
    { job: { namespace: 'team', name: 'other' }, dataset: 'brain', trainer: 'own' },
  ])
  assert.deepEqual(site.datasets.brain, {
    path: '/data/brain',
    layout: 'Folders',
    imageSubfolder: 'images',
    annotationSubfolder: 'masks',
    annotationsFile: '',
    groupPattern: '',
    labels: [],
    heldOutFraction: 0.2,
    limits: { updates: 5 },
  })
  assert.deepEqual(site.trainers.own?.jobCommand, ['/opt/python', '-m', 'trainer'])
  assert.deepEqual(site.trainers.own?.config, [])
  assert.deepEqual(
    [site.noProgressSeconds, read(`${GOOD}noProgressSeconds: 7\n`).noProgressSeconds],
    [600, 7],
  )
  assert.deepEqual([site.models, site.metrics], [[], { share: true, names: [] }])
  assert.equal(lineOf(['datasets', 'brain', 'limits', 'updates']), 15)
  assert.equal(lineOf(['federations', 0, 'jobs', 1, 'trainer']), 13)
})

test('the example of the documentation is valid', async () => {
  const page = await readFile(fileURLToPath(new URL('../../docs/how-to-site.md', import.meta.url)), 'utf8')
  const example = /```yaml\n([^`]*)```/.exec(page)?.[1] ?? ''
  assert.equal(read(example).datasets.brain?.limits.smallestCohort, 3)
})

const edited = (from: string, to: string): string => {
  assert.ok(GOOD.includes(from), `${from} is in the file`)
  return GOOD.replace(from, to)
}

const REFUSALS: readonly (readonly [string, string, string])[] = [
  [
    'a misspelt field',
    edited('folder: state', 'folders: state'),
    'FILE:1:1: folder: is missing; add it\nFILE:2:1: folders: is not a field; did you mean folder?',
  ],
  [
    'an unknown field deep inside',
    edited('limits: {updates: 5}', 'limits: {update: 5}'),
    'FILE:15:39: datasets.brain.limits.update: is not a field; did you mean datasets.brain.limits.updates?',
  ],
  [
    'a limit below zero',
    edited('{updates: 5}', '{updates: -1}'),
    'FILE:15:39: datasets.brain.limits.updates: is -1; write an integer from 0 to 1000000000',
  ],
  [
    'a port that is closed to WebSockets',
    edited('wss://fed.example.org/bus', 'wss://fed.example.org:6000/bus'),
    'FILE:6:5: federations[0].bus: names port 6000, which the fetch standard closes to WebSockets; ask the people who run the federation for an address with another port',
  ],
  [
    'a data set that is not described',
    edited('        dataset: brain', '        dataset: heart'),
    'FILE:12:9: federations[0].jobs[1].dataset: names no data set of this file; describe it in datasets, or write brain',
  ],
  [
    'a trainer that is not installed',
    edited('trainer: own', 'trainer: constructor'),
    'FILE:13:9: federations[0].jobs[1].trainer: names no trainer of this file; describe it in trainers, or write SegmentAnything, own',
  ],
  [
    'a job twice',
    edited('job: team/other', 'job: team/brain'),
    'FILE:11:9: federations[0].jobs[1].job: is "team/brain" a second time; rename it',
  ],
  [
    'a job without a namespace',
    edited('job: team/other', 'job: other'),
    'FILE:11:9: federations[0].jobs[1].job: is "other"; write namespace/name',
  ],
  [
    'a namespace that is too long',
    edited('job: team/other', `job: ${'n'.repeat(64)}/other`),
    'FILE:11:9: federations[0].jobs[1].job: is too long for the name of a job; correct it',
  ],
  [
    'a bus without TLS',
    edited('wss://', 'ws://'),
    'FILE:6:5: federations[0].bus: is not the address that belongs here; write wss://host/path',
  ],
  [
    'a store with a path',
    edited('store: https://fed.example.org', 'store: https://fed.example.org/bucket'),
    'FILE:7:5: federations[0].store: is not the address that belongs here; write https://host, without a path',
  ],
  [
    'a store with a password, which is not shown',
    edited('store: https://', 'store: https://me:secret@'),
    'FILE:7:5: federations[0].store: is not the address that belongs here; write https://host, without a path',
  ],
  [
    'a name that is no variable',
    edited('THREADS: "4"', '"A=B": "4"'),
    "FILE:19:11: trainers.own.env.A=B: is not the name of a variable; write letters, digits and '_', without a digit first",
  ],
  [
    'a model that is a folder',
    `${GOOD}models: [models/sam]\n`,
    'FILE:20:10: models[0]: is not a model; write hf://owner/name@revision, s3://bucket/prefix, or sha256: and 64 hexadecimal digits',
  ],
  [
    'COCO without its file',
    edited('{path: /data/brain,', '{path: /data/brain, layout: COCO,'),
    'FILE:15:3: datasets.brain.annotationsFile: is missing, and the layout is COCO; name the JSON file',
  ],
  [
    'a short key',
    edited(KEY, 'abc'),
    'FILE:5:13: federations[0].trust[0]: is "abc"; write 64 hexadecimal digits',
  ],
  [
    'an empty file',
    '',
    'FILE: is empty; write key, folder, federations and datasets; docs/how-to-site.md has an example',
  ],
  [
    'a second document',
    `${GOOD}---\n${GOOD}`,
    'FILE:21: holds 2 documents; a site has one; remove the others',
  ],
  ['a key twice', `${GOOD}key: b\n`, 'FILE:20: has the key key twice; remove one of them'],
  ['__proto__', `${GOOD}__proto__: {}\n`, 'FILE:20: has the key __proto__, which is not a field; remove it'],
  [
    'a file of great size',
    `# ${'x'.repeat(MOST_SITE_FILE_BYTES)}\n`,
    'FILE: is larger than 256 KiB; make it smaller',
  ],
]

for (const [given, text, says] of REFUSALS) {
  test(`${given} is refused`, () => assert.equal(refusal(text), says))
}
