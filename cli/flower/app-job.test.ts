import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FedsamError } from '#protocol/errors.ts'
import { findProblems } from '../job/load.ts'
import { appJob } from './app-job.ts'

const APP = {
  name: 'My App_2',
  serverapp: 'quick.server_app:app',
  clientapp: 'quick.client_app:app',
  arguments: ['lr=0.5', 'fold="1"'],
  nodes: 2,
}

test('an app is a valid job: its ServerApp the strategy, its ClientApp the trainer, a partition for each node', () => {
  const job = appJob(APP)
  assert.deepEqual(findProblems(job), [])
  assert.equal(job.metadata.name, 'my-app-2')
  assert.deepEqual(job.spec.strategy.program, {
    command: ['python3', '-m', 'fedsam_client.server', 'quick.server_app:app'],
    args: ['--path', './', '--arg', 'lr=0.5', '--arg', 'fold="1"'],
  })
  assert.deepEqual(job.spec.trainer.command, {
    command: ['python3', '-m', 'fedsam_client', 'quick.client_app:app'],
    args: ['--arg', 'lr=0.5', '--arg', 'fold="1"'],
  })
  assert.deepEqual(job.spec.partitions, [{ name: 'client-0' }, { name: 'client-1' }])
})

test('the command line says how many clients there are, or the project', () => {
  assert.equal(appJob(APP, 7).spec.partitions.length, 7)
  assert.throws(
    () => appJob({ ...APP, nodes: null }),
    (error) => error instanceof FedsamError && /does not say how many/.test(error.message),
  )
})

test('any name of a project becomes the name of a job', () => {
  for (const [name, wanted] of [
    ['', 'flower-app'],
    ['---', 'flower-app'],
    ['@me/app', 'me-app'],
    [`${'a'.repeat(39)}-b`, 'a'.repeat(39)],
  ] as const) {
    const job = appJob({ ...APP, name })
    assert.equal(job.metadata.name, wanted)
    assert.deepEqual(findProblems(job), [])
  }
})
