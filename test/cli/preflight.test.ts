// `fedsam plan` and `fedsam run` say the same about the data: what is left out, what the model sees, what is wrong.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { startFedsam } from './fedsam.ts'
import { makeSamJob, picture } from './sam-job.ts'

let dir = ''
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'fedsam-preflight-'))
  await makeSamJob(dir)
  await writeFile(
    join(dir, 'a/masks/s1.png'),
    picture(24, 16, 1, () => 0),
  )
  await writeFile(join(dir, 'a/images/notes.txt'), 'notes')
  await writeFile(
    join(dir, 'a/masks/lonely.png'),
    picture(24, 16, 1, () => 1),
  )
  // The model's masks of 32x21 hold every third pixel of this picture, and not the first.
  await writeFile(
    join(dir, 'a/images/s2.png'),
    picture(96, 64, 3, (i) => i % 256),
  )
  await writeFile(
    join(dir, 'a/masks/s2.png'),
    picture(96, 64, 1, (i) => (i === 0 ? 1 : 0)),
  )
  const names = ['s1', 's2', 's3', 's4']
  const instances = {
    images: names.map((name, id) => ({
      id,
      file_name: `${name}.png`,
      width: 24,
      height: 16,
    })),
    annotations: names.map((_, id) => ({
      image_id: `${id}`,
      category_id: 0,
      segmentation: [[2, 2, 20, 2, 20, 14]],
    })),
  }
  instances.annotations.push({ image_id: '9', category_id: 0, segmentation: [[0, 0, 9, 0, 9, 9]] })
  await writeFile(join(dir, 'b/instances.json'), JSON.stringify(instances))
})
after(() => rm(dir, { recursive: true, force: true }))

const PUBLIC = [
  '--set',
  'partitions[2]={"name": "public", "train": false, "dataset": {"root": "b", "layout": "COCO", "annotationsFile": "instances.json", "labels": [0]}}',
]

/** The lines of the preflight: from the first partition's on, as many as there are. */
function preflightOf(stdout: string): string[] {
  const lines = stdout.split('\n')
  const first = lines.findIndex((line) => /^a: \d+ images/.test(line))
  const rest = lines.slice(first)
  return rest.slice(
    0,
    rest.findIndex((line, i) => i > 0 && !/^( {2}|a: |b: |public: )/.test(line)),
  )
}

test('plan and run print the same preflight, with counts and names of the left-out files', async () => {
  const planned = await startFedsam(dir, ['plan', 'job.yaml', ...PUBLIC])
  assert.equal(planned.code, 0, planned.stderr)
  const run = await startFedsam(dir, ['run', 'job.yaml', '--output', 'out', ...PUBLIC])
  assert.equal(run.code, 0, run.stderr)
  const lines = preflightOf(planned.stdout)
  assert.deepEqual(preflightOf(run.stdout), lines)
  assert.deepEqual(
    lines.map((line) => line.replace(/\. (Nothing|Convert|Add|Cut)[ ,].*$/, '')),
    [
      'a: 4 images of 24x16, 96x64: 2 to train on, 1 held out, 1 with an empty mask left out',
      '  labels 1 (4.0 % of pixels, 3 images)',
      '  warning: 1 file without the ending .png, .jpg or .jpeg; left out: images/notes.txt',
      '  warning: 1 mask without an image of the same name in images; left out: masks/lonely.png',
      '  warning: 1 image with an empty mask (no pixel of the object); left out: s1',
      '  warning: 1 object too small for the model: no pixel is left at the resolution that is trained on: s2',
      'b: 4 images of 24x16: 3 to train on, 1 held out',
      '  labels 1 (37.5 % of pixels, 4 images)',
      'public: 4 images of 24x16: 0 to train on, 4 held out',
      '  categories 0 (28.1 % of pixels, 4 images)',
      '  warning: instances.json: 1 annotation with an image_id that no image has; left out: annotations[4], image_id "9"',
    ],
  )
  assert.match(run.stdout, /^round 1\/1 {2}2 updates/m)
})

test('plan --json contains every name', async () => {
  const { code, stdout } = await startFedsam(dir, ['plan', 'job.yaml', '--json', ...PUBLIC])
  assert.equal(code, 0)
  const { preflight } = JSON.parse(stdout)
  assert.deepEqual(
    preflight.map(({ name, report }: { name: string; report: Record<string, unknown> }) => [
      name,
      report.emptyMasks,
      report.vanishing,
    ]),
    [
      ['a', ['s1'], ['s2']],
      ['b', [], []],
      ['public', [], []],
    ],
  )
})

test('plan and run reject bad data with the same lines and exit code', async () => {
  execFileSync('mkfifo', [join(dir, 'b/images/s5.png')])
  await writeFile(
    join(dir, 'b/masks/s5.png'),
    picture(24, 16, 1, () => 1),
  )
  const planned = await startFedsam(dir, ['plan', 'job.yaml'])
  const run = await startFedsam(dir, ['run', 'job.yaml', '--output', 'out2'])
  assert.match(planned.stderr, /b: images\/s5\.png is not a regular file \(it is a FIFO\)\./)
  assert.deepEqual([run.code, run.stderr], [planned.code, planned.stderr])
  assert.notEqual(run.code, 0)
})
