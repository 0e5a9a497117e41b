// The digest of a run's final model: where a job left it in the bucket, and as the same job has it on this machine.
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { sha256 } from '#protocol/digest.ts'
import { outputKey } from '#protocol/keys.ts'
import { runPrefix } from '#protocol/names.ts'
import { ROOT, startFedsam } from '../cli/fedsam.ts'
import type { JobObject } from './jobs.ts'
import { type Stage, TEAM } from './stage.ts'

/** The SHA-256 of output/model.safetensors of a job that is complete. */
export async function modelInBucket(stage: Stage, job: string): Promise<string> {
  const uid = await stage.kubectl(['get', 'fj', job, '-o', 'jsonpath={.metadata.uid}'])
  const store = stage.bucket(runPrefix('', { namespace: TEAM, name: job, uid: uid.trim() }))
  try {
    const bytes = await store.get(outputKey('model.safetensors'))
    assert.ok(bytes, `${store.description} holds no model`)
    return sha256(bytes)
  } finally {
    await store.close()
  }
}

/** The same of `fedsam run` of a job file in the folder (relative paths are its own). */
export async function modelOfLocalRun(file: string, ...sets: readonly string[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-e2e-local-'))
  try {
    const args = sets.flatMap((set) => ['--set', set])
    const ended = await startFedsam(ROOT, ['run', file, '--output', join(folder, 'run'), ...args])
    assert.equal(ended.code, 0, ended.stderr)
    return sha256(await readFile(join(folder, 'run', 'output', 'model.safetensors')))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** The paced job without what only a cluster has, run here. */
export async function modelOfPacedJob(job: JobObject): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-e2e-paced-'))
  try {
    const { storage, messaging, ...spec } = job.spec
    const local = {
      ...job,
      spec: {
        ...spec,
        trainer: {
          type: 'Command',
          command: { command: [process.execPath, `${ROOT}test/trainers/paced-main.ts`], args: ['1000', '0'] },
        },
        partitions: spec.partitions.map(({ name }: { name: string }) => ({ name })),
      },
    }
    const file = join(folder, 'job.yaml')
    await writeFile(file, stringify(local))
    return await modelOfLocalRun(file)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
