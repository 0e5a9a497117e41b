// Jobs that are valid and cannot work, since something that they name is missing: each says what, by name, and heals by itself once it
// is there.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { brainTissue, type JobObject, pacedJob, TRAINERS_CLAIM } from './jobs.ts'
import { type Stage, secretOf, until } from './stage.ts'

interface Missing {
  readonly name: string
  job(): Promise<JobObject>
  /** What a condition's message must hold: the name of what is missing. */
  readonly said: RegExp
  provide(stage: Stage): Promise<void>
}

const paced = (name: string, change: (spec: JobObject['spec']) => void): Promise<JobObject> => {
  const job = structuredClone(pacedJob(name, { rounds: 1, fitMs: 0 }))
  change(job.spec)
  return Promise.resolve(job)
}

const CASES: readonly Missing[] = [
  {
    name: 'a claim',
    job: () =>
      paced('no-claim', (spec) => {
        spec.partitions[0].source.persistentVolumeClaim.claimName = 'late-claim'
      }),
    said: /site-a: .*late-claim/,
    provide: (stage) => stage.claim('late-claim', 'test/trainers'),
  },
  {
    name: 'the Secret of the store',
    job: () =>
      paced('no-secret', (spec) => {
        spec.storage = { s3: { ...spec.storage.s3, credentialsSecretName: 'late-secret' } }
      }),
    said: /late-secret/,
    provide: (stage) => stage.apply(secretOf('late-secret', keysOf(stage))),
  },
  {
    name: 'an image',
    job: () =>
      paced('no-image', (spec) => {
        spec.trainer.command.image = 'fedsam/late:1'
      }),
    said: /fedsam\/late:1/,
    provide: (stage) => stage.node.tagImage('worker', 'fedsam/late:1'),
  },
  {
    name: 'the checkpoint',
    job: async () => {
      const job = structuredClone(await brainTissue())
      job.spec.rounds = 1
      job.spec.workers = {}
      job.spec.trainer.segmentAnything.checkpoint.uri = 's3://fedsam/models/late'
      return { ...job, metadata: { name: 'no-checkpoint' } }
    },
    said: /s3:\/\/fedsam\/models\/late/,
    provide: (stage) => stage.checkpoint('models/late'),
  },
]

function keysOf({ credentials }: Stage): Record<string, string> {
  const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY } = credentials
  return { AWS_ACCESS_KEY_ID: AWS_ACCESS_KEY_ID!, AWS_SECRET_ACCESS_KEY: AWS_SECRET_ACCESS_KEY! }
}

export function missingScenarios(stage: () => Stage): void {
  for (const { name, job, said, provide } of CASES) {
    test(`without ${name} a job says so by name, and heals once it is there`, async () => {
      const object = await job()
      await stage().claim(TRAINERS_CLAIM, 'test/trainers')
      for (const site of ['axial', 'coronal', 'sagittal'])
        await stage().claim(site, `examples/data/brain-tissue/${site}`)
      await stage().apply(object)
      const { name: jobName } = object.metadata
      const seen = await until(
        `a condition that says ${said}`,
        () => stage().status(jobName),
        ({ conditions }) => conditions?.some(({ message }) => said.test(message)) === true,
        180,
      )
      assert.equal(seen.conditions?.find(({ type }) => type === 'Failed')?.status, 'False')
      await provide(stage())
      await stage().complete(jobName)
      await stage().kubectl(['delete', 'fj', jobName])
    })
  }
}
