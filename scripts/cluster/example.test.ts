// The job that `npm run cluster` offers is valid, and is the example's.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { parse } from 'yaml'
import { findProblems } from '#cli/job/load.ts'
import { type ExampleJob, inCluster } from './example.ts'
import { placesOf } from './quickstart.ts'

test('the example in a cluster keeps its training and takes claims and a bucket for its folders', async () => {
  const job = parse(await readFile('examples/brain-tissue.yaml', 'utf8')) as ExampleJob
  const there = inCluster(job, placesOf('fedsam-system', 'default')) as ExampleJob
  assert.deepEqual(findProblems(there), [])
  assert.deepEqual(
    there.spec.partitions.map(({ name, dataset }) => [name, dataset.root]),
    job.spec.partitions.map(({ name }) => [name, '/data']),
  )
  const { checkpoint: _, ...training } = job.spec.trainer.segmentAnything
  for (const [field, value] of Object.entries(training))
    assert.deepEqual(there.spec.trainer.segmentAnything[field], value)
})
