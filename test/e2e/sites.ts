// Sites outside of the cluster, each in a network with one way out: the coordinator runs on the real node, beside one client in a pod. The
// example has the bytes of `fedsam run` of the same file. After any fault of a site, its line or the coordinator, in any phase, a job of
// seconds has the bytes of a run without faults. The counters of each network show that the site spoke to that one port alone.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { after, before, describe, test } from 'node:test'
import { inCluster, readExample } from '#scripts/cluster/example.ts'
import { ROOT } from '../cli/fedsam.ts'
import { type JobObject, PACED_SITES, PLACES, pacedJob, TRAINERS_CLAIM } from './jobs.ts'
import { modelInBucket, modelOfLocalRun, modelOfPacedJob } from './models.ts'
import { coordinatorOf, podOf, strikeInEachPhase } from './phases.ts'
import { openSiteEntry, type SiteEntry } from './site-entry.ts'
import { type Allowed, jobTrainer, openSites, type Site, type Sites } from './site-networks.ts'
import { operatorKey, type Stage, TEAM, until } from './stage.ts'

const EXAMPLE = 'sites-example'
/** The way of the site that trains on each data set of the example; the other one is a pod's. */
const EXAMPLE_SITES = { coronal: 'proxied', sagittal: 'private' } as const

interface Fault {
  readonly name: string
  /** The sites of the job, beside a pod. */
  readonly sites: readonly [keyof Sites, keyof Sites]
  strike(job: string, sites: readonly Site[], stage: Stage): Promise<unknown>
}

const FAULTS: readonly Fault[] = [
  {
    name: 'agent of a site killed and started again',
    sites: ['private', 'proxied'],
    strike: async (_, [site]) => {
      await site!.end('SIGKILL')
      site!.start()
    },
  },
  {
    name: 'a site without power for a moment',
    sites: ['proxied', 'private'],
    strike: async (_, [site]) => {
      await site!.losePower()
      site!.start()
    },
  },
  {
    name: 'trainer of a site killed',
    sites: ['direct', 'proxied'],
    strike: (job, [site]) => site!.killTrainer(job),
  },
  {
    name: 'lines of both sites cut',
    sites: ['proxied', 'direct'],
    strike: (_, sites) => Promise.all(sites.map((site) => site.cutLine())),
  },
  {
    name: 'coordinator killed',
    sites: ['direct', 'private'],
    strike: async (job, _, stage) =>
      stage.node.killContainer(TEAM, await podOf(stage, coordinatorOf(job)), 'coordinator'),
  },
]
const jobOf = (fault: number): string => `sites-${fault}`

/** The job with sites for partitions; `keys` by the partition's name. */
function withSites(job: JobObject, keys: Readonly<Record<string, string>>, { places }: SiteEntry): JobObject {
  const partitions = job.spec.partitions.map((partition: { name: string }) => {
    const publicKey = keys[partition.name]
    return publicKey === undefined ? partition : { name: partition.name, external: { publicKey } }
  })
  return { ...job, spec: { ...job.spec, ...places, partitions } }
}

/** What every site allows: the example on its data set, and the jobs of the faults with the program of this checkout. */
function allowedAt(way: keyof Sites): Allowed {
  const pacedJobs = FAULTS.map((_, n) => jobOf(n))
  const trainers = pacedJobs.map((job) => {
    const { command, args } = pacedJob(job).spec.trainer.command
    const own = [process.execPath, `${ROOT}test/trainers/paced-main.ts`, ...args]
    return [job, jobTrainer(job, own, [...command, ...args])]
  })
  const brains = Object.entries(EXAMPLE_SITES).filter(([, at]) => at === way)
  return {
    jobs: [
      ...brains.map(([dataset]) => ({ job: `${TEAM}/${EXAMPLE}`, dataset })),
      ...pacedJobs.map((job) => ({ job: `${TEAM}/${job}`, dataset: 'none', trainer: job })),
    ],
    datasets: {
      none: { path: '.' },
      ...Object.fromEntries(
        brains.map(([dataset]) => [
          dataset,
          { path: `${ROOT}examples/data/brain-tissue/${dataset}`, labels: [2] },
        ]),
      ),
    },
    trainers: Object.fromEntries(trainers),
  }
}

export function sitesScenario(stage: () => Stage): void {
  let entry: SiteEntry
  let sites: Sites
  before(async () => {
    entry = await openSiteEntry(stage())
    sites = await openSites(entry, await operatorKey(stage()))
    for (const [way, site] of Object.entries(sites)) await site.allow(allowedAt(way as keyof Sites))
  })
  after(async () => {
    await Promise.allSettled(Object.values(sites ?? {}).map((site) => site.close()))
    await entry?.close()
  })

  /** After a job of these sites. */
  const assertOnePort = async (ways: readonly (keyof Sites)[]): Promise<void> => {
    for (const way of ways) {
      const { port, other } = await sites[way].namespace.sent()
      assert.equal(other, 0, `${way} sent ${other} packets to other destinations`)
      assert.ok(port > 0, `${way} sent nothing`)
      const host = new URL(entry.addresses.store).host
      assert.deepEqual(
        sites[way].asked.filter((target) => target !== host),
        [],
      )
    }
  }

  test('the example over one pod and two sites has the bytes of fedsam run of its file', async () => {
    await stage().checkpoint('models/sam-tiny-scenes')
    await stage().claim('axial', 'examples/data/brain-tissue/axial')
    const ways = Object.values(EXAMPLE_SITES)
    const keys = Object.fromEntries(
      Object.entries(EXAMPLE_SITES).map(([partition, way]) => [partition, sites[way].publicKey]),
    )
    const example = inCluster(await readExample(), PLACES) as JobObject
    await stage().apply(withSites({ ...example, metadata: { name: EXAMPLE } }, keys, entry))
    const host = new URL(entry.addresses.bus).href
    for (const way of ways)
      await until(
        `the gate admits ${way}`,
        () => sites[way].check(),
        ({ code, stdout }) => code === 0 && stdout.includes(`${host} admits this key`),
      )
    for (const way of ways) sites[way].start()
    try {
      const running = modelOfLocalRun(
        'examples/brain-tissue.yaml',
        'spec.trainer.segmentAnything.backend=TensorFlow',
      )
      const [local] = await Promise.all([running, stage().complete(EXAMPLE)])
      assert.equal(await modelInBucket(stage(), EXAMPLE), local)
      await assertOnePort(ways)
    } finally {
      const ended = await Promise.all(ways.map((way) => sites[way].end('SIGTERM')))
      for (const { code, stderr } of ended) assert.equal(code, 130, stderr)
    }
    await stage().kubectl(['delete', 'fj', EXAMPLE])
  })

  describe('a fault at a site, on its line or of the coordinator', { concurrency: FAULTS.length }, () => {
    let reference: string
    before(async () => {
      await stage().claim(TRAINERS_CLAIM, 'test/trainers')
      reference = await modelOfPacedJob(pacedJob('reference'))
      for (const [n, { sites: struck }] of FAULTS.entries()) {
        const [, ...partitions] = PACED_SITES
        const keys = Object.fromEntries(partitions.map((name, at) => [name, sites[struck[at]!].publicKey]))
        await stage().apply(withSites(pacedJob(jobOf(n)), keys, entry))
      }
      for (const site of Object.values(sites)) site.start()
    })

    for (const [n, { name, sites: ways, strike }] of FAULTS.entries()) {
      test(`${name}, while it starts, while it trains, between rounds: the same bytes`, async () => {
        const job = jobOf(n)
        const struck = ways.map((way) => sites[way])
        const uid = await stage().kubectl(['get', 'fj', job, '-o', 'jsonpath={.metadata.uid}'])
        const takesPart = (site: Site): boolean =>
          site.lines.some((line) => line.includes(uid) && line.endsWith('takes part'))
        await strikeInEachPhase(stage(), job, {
          name,
          strike: () => strike(job, struck, stage()),
          hasStarted: async () => struck.every(takesPart),
        })
        await stage().complete(job)
        assert.equal(await modelInBucket(stage(), job), reference)
        await assertOnePort(ways)
        await stage().kubectl(['delete', 'fj', job])
      })
    }
  })

  test('a packet to another destination would have been counted', async () => {
    for (const { namespace } of Object.values(sites)) {
      const stray = `require('net').connect(443, ${JSON.stringify(stage().node.address)}).on('error', () => {})`
      const [program, ...args] = namespace.inside([process.execPath, '-e', stray])
      const stranger = spawn(program, args, { stdio: 'ignore' })
      await until(
        'it is counted',
        () => namespace.sent(),
        ({ other }) => other > 0,
      )
      stranger.kill('SIGKILL')
    }
  })
}
