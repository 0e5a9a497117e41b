// The faults on a job of seconds, on the real node: after any kill or deletion, in any phase, the model has the bytes of the run
// that nobody disturbed. Processes are ended by SIGKILL on the node, pods by kubectl delete.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { PACED_SITES, pacedJob, TRAINERS_CLAIM } from './jobs.ts'
import { modelInBucket, modelOfPacedJob } from './models.ts'
import { type Stage, SYSTEM, TEAM, until } from './stage.ts'

const PHASES = ['Starting', 'Training', 'Between'] as const
type Phase = (typeof PHASES)[number]

interface Fault {
  readonly name: string
  strike(stage: Stage, job: string): Promise<void>
}

const podOf = async (stage: Stage, selector: string): Promise<string> => {
  const names = await stage.kubectl([
    'get',
    'pods',
    '-o',
    'name',
    '-l',
    selector,
    '--field-selector=status.phase=Running',
  ])
  const [first] = names.trim().split('\n')
  assert.ok(first, `no running pod of ${selector}`)
  return first.replace('pod/', '')
}
const coordinator = (job: string): string => `fedsam.dev/job=${job},fedsam.dev/role=coordinator`
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
  { name: 'coordinator killed', strike: killIn(coordinator, 'coordinator') },
  { name: 'coordinator deleted', strike: deletePod(coordinator) },
  { name: 'trainer killed', strike: killIn(worker, 'trainer') },
  { name: 'network half killed', strike: killIn(worker, 'network') },
  { name: 'worker deleted', strike: deletePod(worker) },
  { name: 'nats-server restarted', strike: restartServer('nats') },
  { name: 'S3 server restarted', strike: restartServer('s3', `,fedsam.dev/tenant=${TEAM}`) },
]

/** Waits for the phase, as the status tells it. */
async function reach(stage: Stage, job: string, phase: Phase): Promise<void> {
  const wanted = {
    Starting: () => podOf(stage, worker(job)).then(() => true),
    Training: async () => {
      const { training } = await stage.status(job)
      return training?.state === 'Training' && training.round >= 1 && (training.clients?.cohort ?? 0) > 0
    },
    Between: async () => ((await stage.status(job)).training?.rounds?.length ?? 0) >= 2,
  }[phase]
  await until(`${job} is ${phase}`, wanted, Boolean, 180)
}

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
        for (const phase of PHASES) {
          await reach(stage(), job, phase)
          // What is struck may be on its way out or in at this moment: then a moment later.
          const struck = (): Promise<boolean> => strike(stage(), job).then(() => true)
          await until(`${name} while ${phase}`, struck, Boolean)
        }
        await stage().complete(job)
        // A neighbour may have struck the S3 server at this moment: then a moment later.
        const model = await until('the model', () => modelInBucket(stage(), job), Boolean)
        assert.equal(model, reference)
        await stage().kubectl(['delete', 'fj', job])
      })
    }
  })
}
