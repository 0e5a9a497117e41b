// The faults on a job of seconds, on the real node: after any kill or deletion, in any phase, the model has the bytes of the run
// that nobody disturbed. Processes are ended by SIGKILL on the node, pods by kubectl delete.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { PACED_SITES, pacedJob, TRAINERS_CLAIM } from './jobs.ts'
import { modelInBucket, modelOfPacedJob } from './models.ts'
import { coordinatorOf, podOf, strikeInEachPhase } from './phases.ts'
import { type Stage, SYSTEM, TEAM, until } from './stage.ts'

interface Fault {
  readonly name: string
  strike(stage: Stage, job: string): Promise<void>
}

const worker = (job: string): string => `fedsam.dev/job=${job},fedsam.dev/partition=${PACED_SITES[1]}`

const killIn =
  (selector: (job: string) => string, container: string): Fault['strike'] =>
  async (stage, job) =>
    stage.node.killContainer('team-a', await podOf(stage, selector(job)), container)
const deletePod =
  (selector: (job: string) => string): Fault['strike'] =>
  async (stage, job) => {
    await stage.kubectl(['delete', 'pod', await podOf(stage, selector(job)), '--wait=false'])
  }
/** `which` narrows the label selector: each tenant has an S3 server. */
const restartServer =
  (component: string, which = ''): Fault['strike'] =>
  async (stage) => {
    const selector = `app.kubernetes.io/component=${component}${which}`
    const name = await stage.node.kubectl(['-n', SYSTEM, 'get', 'pods', '-l', selector, '-o', 'name'])
    await stage.node.killContainer(SYSTEM, name.trim().replace('pod/', ''), component)
  }

const FAULTS: readonly Fault[] = [
  { name: 'coordinator killed', strike: killIn(coordinatorOf, 'coordinator') },
  { name: 'coordinator deleted', strike: deletePod(coordinatorOf) },
  { name: 'trainer killed', strike: killIn(worker, 'trainer') },
  { name: 'network half killed', strike: killIn(worker, 'network') },
  { name: 'worker deleted', strike: deletePod(worker) },
  { name: 'nats-server restarted', strike: restartServer('nats') },
  { name: 'S3 server restarted', strike: restartServer('s3', `,fedsam.dev/tenant=${TEAM}`) },
]

export function faultScenarios(stage: () => Stage): void {
  let reference: string

  test('undisturbed: the model of the same job on this machine', async () => {
    await stage().claim(TRAINERS_CLAIM, 'test/trainers')
    const job = pacedJob('calm')
    reference = await modelOfPacedJob(job)
    await stage().apply(job)
    await stage().complete('calm')
    assert.equal(await modelInBucket(stage(), 'calm'), reference)
    await stage().kubectl(['delete', 'fj', 'calm'])
  })

  // Side by side: they mostly wait, and a server that is restarted is a fault to the others too.
  describe('a part that is killed or deleted', { concurrency: 4 }, () => {
    for (const [n, { name, strike }] of FAULTS.entries()) {
      test(`${name}, while it starts, while it trains, between rounds: the same bytes`, async () => {
        const job = `fault-${n}`
        await stage().apply(pacedJob(job))
        await strikeInEachPhase(stage(), job, {
          name,
          strike: () => strike(stage(), job),
          hasStarted: () => podOf(stage(), worker(job)).then(() => true),
        })
        await stage().complete(job)
        // A neighbour may have struck the S3 server at this moment: then a moment later.
        const model = await until('the model', () => modelInBucket(stage(), job), Boolean)
        assert.equal(model, reference)
        await stage().kubectl(['delete', 'fj', job])
      })
    }
  })
}
