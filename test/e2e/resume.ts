// A job that goes on from another job's record, as a user writes it: the prefix is copied from `kubectl fedsam status`. On the real node,
// by the operator's own pods and the Secret of the namespace; the model has the bytes of a run of all rounds on this machine.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ROOT, startFedsam } from '../cli/fedsam.ts'
import { pacedJob, TRAINERS_CLAIM } from './jobs.ts'
import { modelInBucket, modelOfPacedJob } from './models.ts'
import { type Stage, TEAM } from './stage.ts'

const ROUNDS = 4
const HALF = 2

async function recordOf({ node }: Stage, job: string): Promise<string> {
  const ended = await startFedsam(ROOT, ['status', job, '-n', TEAM, '--json'], {
    env: { KUBECONFIG: node.kubeconfig },
  })
  assert.equal(ended.code, 0, ended.stderr)
  return JSON.parse(ended.stdout).record
}

export function resumeScenario(stage: () => Stage): void {
  test('two rounds, and two more from their record, have the model of four rounds on this machine', async () => {
    await stage().claim(TRAINERS_CLAIM, 'test/trainers')
    const run = async (job: ReturnType<typeof pacedJob>): Promise<void> => {
      await stage().apply(job)
      await stage().complete(job.metadata.name)
    }
    const fitMs = 500
    await run(pacedJob('half', { rounds: HALF, fitMs }))
    const rest = pacedJob('rest', { rounds: ROUNDS, fitMs })
    const resumeFrom = { prefix: await recordOf(stage(), 'half'), round: HALF }
    await run({ ...rest, spec: { ...rest.spec, resumeFrom } })
    assert.equal(await modelInBucket(stage(), 'rest'), await modelOfPacedJob(rest))
    const { training } = await stage().status('rest')
    assert.deepEqual(
      training?.rounds?.map(({ round }) => round),
      [3, 4],
    )
    await stage().kubectl(['delete', 'fj', 'half', 'rest', '--timeout=60s'])
  })
}
