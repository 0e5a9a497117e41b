// What people get wrong, and the exact words that they get for it: one message that names the field, file or image and says what
// to do; exit code 2; and nothing is written.
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { readSafetensors, writeSafetensors } from '#protocol/safetensors.ts'
import type { Tensor } from '#protocol/tensors.ts'
import { startFedsam } from './fedsam.ts'
import { makeSamJob, picture } from './sam-job.ts'

/** A job over two partitions of four images each, beside a tiny checkpoint; `dir` is its folder. */
interface Case {
  readonly name: string
  /** What is done to the good job before it runs. */
  readonly spoil?: (dir: string) => Promise<unknown>
  readonly args?: readonly string[]
  /** Standard error, whole, with DIR in place of the folder. */
  readonly says: string
}

const edit =
  (from: string, to: string) =>
  async (dir: string): Promise<void> => {
    const file = join(dir, 'job.yaml')
    const text = await readFile(file, 'utf8')
    assert.ok(text.includes(from), `${from} is in the job`)
    await writeFile(file, text.replace(from, to))
  }

const spoilTensors =
  (change: (tensors: Tensor[]) => Tensor[]) =>
  async (dir: string): Promise<void> => {
    const file = join(dir, 'sam', 'model.safetensors')
    await writeFile(file, writeSafetensors(change(readSafetensors(await readFile(file)))))
  }

const CASES: readonly Case[] = [
  {
    name: 'unknown field',
    spoil: edit('rounds: 1', 'round_count: 1'),
    says: 'fedsam: job.yaml:5: spec.round_count: is not a field; remove it, or use one of rounds, seed, suspend, managedBy, strategy, round, trainer, partitions, workers, coordinator, storage, messaging, allowInsecure, model, evaluation, output, startDeadlineSeconds, activeDeadlineSeconds, ttlSecondsAfterFinished, resumeFrom\n',
  },
  {
    name: 'wrong type',
    spoil: edit('rounds: 1', 'rounds: ten'),
    says: 'fedsam: job.yaml:5: spec.rounds: is "ten"; write an integer from 1 to 100000\n',
  },
  {
    name: 'bad name',
    spoil: edit('name: two-sites', 'name: Two_Sites'),
    says: 'fedsam: job.yaml:3: metadata.name: is "Two_Sites"; write a DNS label: lower-case letters, digits and \'-\', with a letter or a digit at both ends\n',
  },
  {
    name: 'minFitClients above the partitions',
    spoil: edit('  rounds: 1\n', '  rounds: 1\n  strategy: {minFitClients: 3}\n'),
    says: 'fedsam: job.yaml:6: spec.strategy.minFitClients: 3 is above the number of partitions that train; lower it or add partitions\n',
  },
  {
    name: 'unknown strategy',
    spoil: edit('  rounds: 1\n', '  rounds: 1\n  strategy: {type: FedAverage}\n'),
    says: 'fedsam: job.yaml:6: spec.strategy.type: is "FedAverage"; write one of FedAvg, FedAvgM, FedAdam, FedYogi, FedAdagrad, FedMedian, FedTrimmedAvg, Krum, MultiKrum, Program\n',
  },
  {
    name: 'too few clients for the strategy',
    spoil: edit('  rounds: 1\n', '  rounds: 1\n  strategy: {type: Krum, krum: {numMaliciousNodes: 0}}\n'),
    says: 'fedsam: job.yaml:6: spec.strategy.minFitClients: 2 is too small for this strategy; set it to at least 2 x numMaliciousNodes + 3\n',
  },
  {
    name: 'a metric whose name says no mode',
    spoil: edit('  rounds: 1\n', '  rounds: 1\n  evaluation: {bestBy: {metric: speed}}\n'),
    says: "fedsam: job.yaml:6: spec.evaluation.bestBy.mode: is not set, and the metric's name does not say whether a large or a small value is better; write mode: Max or mode: Min\n",
  },
  {
    name: 'nobody evaluates',
    spoil: edit(
      '  rounds: 1\n',
      '  rounds: 1\n  strategy: {fractionEvaluate: 0.3}\n  evaluation: {bestBy: {metric: loss}}\n',
    ),
    says: 'fedsam: job.yaml:7: spec.evaluation: is set, but nobody would evaluate, because floor(partitions x strategy.fractionEvaluate) is 0; raise fractionEvaluate or remove evaluation\n',
  },
  {
    name: 'the split holds nothing out',
    spoil: async (dir) => {
      await edit('  rounds: 1\n', '  rounds: 1\n  evaluation: {bestBy: {metric: loss}}\n')(dir)
      for (const site of ['a', 'b'])
        await edit(`root: ${site}}`, `root: ${site}, groupPattern: '^(s)', heldOutFraction: 0.1}`)(dir)
    },
    says: 'fedsam: spec.evaluation is set, but the partitions a, b hold out no image\n  raise dataset.heldOutFraction of a partition, or remove spec.evaluation\n',
  },
  {
    name: 'missing folder',
    spoil: edit('root: b', 'root: c'),
    says: 'fedsam: b: the folder DIR/c does not exist. Create it, or correct dataset.root.\n',
  },
  {
    name: 'missing subfolder',
    spoil: (dir) => rm(join(dir, 'b', 'masks'), { recursive: true }),
    says: 'fedsam: b: the folder DIR/b/masks does not exist. Create it, or correct dataset.annotationSubfolder.\n',
  },
  {
    name: 'image without mask',
    spoil: (dir) => rm(join(dir, 'b', 'masks', 's2.png')),
    says: 'fedsam: b: images/s2.png has no mask. Add masks/s2.png, or take the image away.\n',
  },
  {
    name: 'mask of another size',
    spoil: (dir) =>
      writeFile(
        join(dir, 'b', 'masks', 's2.png'),
        picture(16, 24, 1, () => 1),
      ),
    says: 'fedsam: b: masks/s2.png: 16x24 pixels, but its image has 24x16. Export the mask at the size of its upright image.\n',
  },
  {
    name: 'unreadable image',
    spoil: (dir) => writeFile(join(dir, 'b', 'images', 's2.png'), 'not a picture'),
    says: 'fedsam: b: images/s2.png is neither a PNG nor a JPEG picture. Convert it to PNG or JPEG, or take it away.\n',
  },
  {
    name: 'unreadable mask',
    spoil: (dir) => writeFile(join(dir, 'b', 'masks', 's2.png'), 'not a picture'),
    says: 'fedsam: b: masks/s2.png is not a PNG. Save the mask as a grey or palette PNG of 1, 2, 4, 8 or 16 bits whose values are the labels.\n',
  },
  {
    name: 'empty partition',
    spoil: async (dir) => {
      await rm(join(dir, 'b'), { recursive: true })
      await mkdir(join(dir, 'b', 'images'), { recursive: true })
      await mkdir(join(dir, 'b', 'masks'), { recursive: true })
    },
    says: 'fedsam: b: the data set DIR/b is empty: there is no image with a mask in images and masks. Put the data there, or correct dataset.root.\n',
  },
  {
    name: 'no label found',
    spoil: edit('dataset: {root: b}', 'dataset: {root: b, labels: [7]}'),
    says: 'fedsam: b: no mask holds one of the labels 7; they hold 1. Correct dataset.labels, or the masks.\n',
  },
  {
    name: 'missing checkpoint',
    spoil: edit('uri: sam', 'uri: nowhere'),
    says: 'fedsam: spec.trainer.segmentAnything.checkpoint.uri: the folder DIR/nowhere does not exist\n  name a folder with config.json and model.safetensors, hf://owner/name@revision, or s3://bucket/prefix\n',
  },
  {
    name: 'checkpoint with a missing tensor',
    spoil: spoilTensors((tensors) => tensors.filter(({ name }) => name !== 'mask_decoder.iou_token.weight')),
    says: 'fedsam: Checkpoint DIR/sam cannot be used: missing tensors: mask_decoder.iou_token.weight.\n  Use a checkpoint whose config.json belongs to its weights.\n',
  },
  {
    name: 'checkpoint with an extra tensor',
    spoil: spoilTensors((tensors) => [
      ...tensors,
      { name: 'extra', shape: [1], dtype: 'F32', data: new Uint8Array(4) },
    ]),
    says: 'fedsam: Checkpoint DIR/sam cannot be used: extra tensors: extra.\n  Use a checkpoint whose config.json belongs to its weights.\n',
  },
  {
    name: 'checkpoint with a misshapen tensor',
    spoil: spoilTensors((tensors) =>
      tensors.map((tensor) =>
        tensor.name === 'mask_decoder.iou_token.weight' ? { ...tensor, shape: [32, 1] } : tensor,
      ),
    ),
    says: 'fedsam: Checkpoint DIR/sam cannot be used: misshapen: mask_decoder.iou_token.weight is [32,1] where the configuration needs [1,32].\n  Use a checkpoint whose config.json belongs to its weights.\n',
  },
  {
    name: 'unwritable output',
    spoil: (dir) => writeFile(join(dir, 'file'), ''),
    args: ['--output', 'DIR/file/output'],
    says: 'fedsam: DIR/file/output cannot be written (ENOTDIR)\n  name a folder that you can write to with --output\n',
  },
  {
    name: 'output that is not a run',
    spoil: async (dir) => {
      await mkdir(join(dir, 'used'))
      await writeFile(join(dir, 'used', 'notes.txt'), 'mine')
    },
    args: ['--output', 'DIR/used'],
    says: 'fedsam: DIR/used is not empty and holds no run\n  name another folder with --output\n',
  },
  {
    name: 'output of another job',
    spoil: async (dir) => {
      await mkdir(join(dir, 'used'))
      const run = {
        schema: 'fedsam.run/1',
        name: 'two-sites',
        uid: 'local',
        seed: 5,
        base: null,
        spec: { seed: 5 },
      }
      await writeFile(join(dir, 'used', 'run.json'), JSON.stringify(run))
    },
    args: ['--output', 'DIR/used'],
    says: 'fedsam: DIR/used holds the run of another job: spec.allowInsecure is false and was not set, spec.model is an object and was not set, spec.output is an object and was not set, spec.seed is 0 and was 5, spec.strategy is an object and was not set, 1 more fields differ\n  name another folder with --output, or run the job with its earlier values\n',
  },
]

async function snapshot(dir: string): Promise<string[]> {
  return (await readdir(dir, { recursive: true })).sort()
}

let base = ''
before(async () => {
  base = await mkdtemp(join(tmpdir(), 'fedsam-bad-input-'))
})
after(() => rm(base, { recursive: true, force: true }))

test('bad input', { concurrency: 2 }, async (t) => {
  await Promise.all(
    CASES.map(({ name, spoil, args = [], says }) =>
      t.test(name, async () => {
        const dir = await mkdtemp(join(base, 'job-'))
        await makeSamJob(dir)
        await spoil?.(dir)
        const had = await snapshot(dir)
        const { code, stderr } = await startFedsam(dir, [
          'run',
          'job.yaml',
          ...args.map((arg) => arg.replace('DIR', dir)),
        ])
        if (process.env.PRINT_TEXTS) console.log(`### ${name}\n${stderr.replaceAll(dir, 'DIR')}`)
        assert.equal(stderr.replaceAll(dir, 'DIR'), says)
        assert.equal(code, 2)
        assert.deepEqual(await snapshot(dir), had, 'nothing is written')
      }),
    ),
  )
})
