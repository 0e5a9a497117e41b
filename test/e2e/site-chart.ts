// A site in a cluster of its own: the chart fedsam-site on a second real node, by the commands of its how-to page, under the restricted Pod
// Security level. The job has one pod and this site; its model has the bytes of `fedsam run`, though the agent is killed in one round
// and its pod deleted in another. This node's network plugin enforces no NetworkPolicy, so network-rules.ts carries out the chart's.
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, chown, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { stringify } from 'yaml'
import { claimOf } from '#scripts/cluster/volumes.ts'
import { ensureHelm } from '#scripts/helm.ts'
import { ensureKubernetes } from '#scripts/kubernetes/build.ts'
import { API_PORT } from '#scripts/kubernetes/node/control-plane.ts'
import { type RunningNode, startNode } from '#scripts/kubernetes/node.ts'
import { type JobObject, pacedJob, TRAINERS_CLAIM } from './jobs.ts'
import { modelInBucket, modelOfPacedJob } from './models.ts'
import { type EnforcedPolicy, enforcePolicy } from './network-rules.ts'
import { openSiteEntry, type SiteEntry } from './site-entry.ts'
import { ENTRY_HOST, operatorKey, type Stage, TEAM, until } from './stage.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const PAGE = `${ROOT}docs/how-to-site-in-a-cluster.md`
/** Of the certificate that the hospital sees. */
const AUTHORITY = `${ROOT}test/tls/entry-ca.pem`
const HOSPITAL = 'hospital'
const JOB = 'with-a-site'
const [POD, SITE] = ['site-a', 'site-b']
const ROUNDS = 4
const TRAINERS = '/app/test/trainers'
/** The data set: the trainer waits for files in it, which this test writes. */
const TABLE = 'table'
/** The user of the image. A folder of this machine as a volume keeps its owner. */
const UID = 65532

interface Hospital {
  readonly node: RunningNode
  /** Takes volumes and the values. */
  readonly folder: string
  kubectl(args: readonly string[], input?: string): Promise<string>
  /** Follows the log of a pod's container. Resolves once it holds these words, to a function that resolves to the whole log. */
  follow(pod: string, container: string, words: string): Promise<() => Promise<string>>
  /** Runs the commands of a block of the page, as they are written there. */
  type(section: string, block?: number): Promise<string>
}

async function openHospital(): Promise<Hospital> {
  const log = (line: string): void => void process.stderr.write(`${line}\n`)
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-e2e-hospital-'))
  await chmod(folder, 0o755)
  const node = await startNode({ log, name: `fedsam-hospital-${process.pid}` })
  const { kubectl } = await ensureKubernetes()
  await symlink(`${ROOT}charts`, join(folder, 'charts')) // the page's commands are typed in a checkout
  const bin = join(folder, 'bin')
  await mkdir(bin)
  for (const [name, program] of [
    ['kubectl', kubectl],
    ['helm', await ensureHelm(4)],
  ] as const)
    await writeFile(join(bin, name), `#!/bin/sh\nexec ${program} "$@"\n`, { mode: 0o755 })
  const env = { ...process.env, PATH: `${bin}:${process.env.PATH}`, KUBECONFIG: node.kubeconfig }
  return {
    node,
    folder,
    kubectl: (args, input) => node.kubectl(['-n', HOSPITAL, ...args], input),
    async follow(pod, container, words) {
      const args = ['-n', HOSPITAL, 'logs', pod, '-c', container, '--follow']
      const child = spawn(kubectl, args, { env, stdio: ['ignore', 'pipe', 'inherit'] })
      const ended = once(child, 'close')
      let log = ''
      child.stdout.setEncoding('utf8').on('data', (text: string) => (log += text))
      while (!log.includes(words) && child.exitCode === null)
        await Promise.race([once(child.stdout, 'data'), ended])
      assert.ok(log.includes(words), log)
      return async () => {
        await ended
        return log
      }
    },
    async type(section, block = 0) {
      const page = await readFile(PAGE, 'utf8')
      const text = page.split(/^## /m).find((one) => one.startsWith(`${section}\n`)) ?? assert.fail(section)
      const commands = [...text.matchAll(/```sh\n([\s\S]*?)```/g)][block]?.[1] ?? assert.fail(section)
      return (await promisify(execFile)('bash', ['-euc', commands], { cwd: folder, env })).stdout
    },
  }
}

/** The data, the trainers and the state, as volumes for the claims of the page. */
async function createVolumes({ kubectl, folder }: Hospital): Promise<void> {
  const claim = (name: string, from: string): Promise<object[]> =>
    claimOf({ folder, namespace: HOSPITAL, name, from })
  await mkdir(join(folder, 'gates'))
  const data = [
    ...(await claim(TRAINERS_CLAIM, `${ROOT}test/trainers`)),
    ...(await claim(TABLE, join(folder, 'gates'))),
  ]
  const path = join(folder, 'volumes', 'state')
  await mkdir(path)
  await chown(path, UID, UID)
  const state = {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: 'hospital-state' },
    spec: {
      accessModes: ['ReadWriteOnce'],
      storageClassName: '',
      capacity: { storage: '20Gi' },
      hostPath: { path },
      claimRef: { namespace: HOSPITAL, name: 'fedsam-site-state' },
    },
  }
  await kubectl(
    ['apply', '-f', '-'],
    JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [...data, state] }),
  )
}

/** The values of the page, for this federation, this data and a trainer that waits for each round's gate. */
async function writeValues(hospital: Hospital, { image, entry, address, trust }: Federation): Promise<void> {
  const [repository, tag] = image.split(/:(?=[^:]*$)/)
  const trainer = ['node', `${TRAINERS}/paced-main.ts`, '1000', '0']
  const values = {
    image: { repository, tag },
    key: { secretName: 'fedsam-site-key' },
    site: {
      federations: [
        {
          name: 'heart',
          trust: [trust],
          ...entry.addresses,
          ca: { configMapName: 'heart-ca' },
          jobs: [{ job: `${TEAM}/${JOB}`, dataset: TABLE, trainer: 'own' }],
        },
      ],
      datasets: { [TABLE]: { claim: TABLE, limits: { updates: ROUNDS } } },
      trainers: {
        own: { command: [...trainer, `/data/${TABLE}`], jobCommand: trainer, env: { FEDSAM_CLIENT: SITE } },
      },
    },
    resources: { requests: { cpu: '100m', memory: '128Mi' } },
    hostAliases: [{ ip: address, hostnames: [ENTRY_HOST] }],
    // A program of a claim: its imports are those of the image.
    extraVolumes: [{ name: 'trainers', persistentVolumeClaim: { claimName: TRAINERS_CLAIM } }],
    extraVolumeMounts: [{ name: 'trainers', mountPath: TRAINERS, readOnly: true }],
    networkPolicy: { entry: [{ cidr: `${address}/32`, port: entry.port }] },
  }
  await writeFile(join(hospital.folder, 'site-values.yaml'), stringify(values))
  const ca = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'heart-ca' },
    data: { 'ca.crt': await readFile(AUTHORITY, 'utf8') },
  }
  await hospital.kubectl(['apply', '-f', '-'], JSON.stringify(ca))
}

interface Federation {
  /** Of the site. */
  readonly image: string
  readonly entry: SiteEntry
  /** Where the hospital's pods reach the entry. */
  readonly address: string
  readonly trust: string
}

function jobWith(publicKey: string, { entry }: Federation): JobObject {
  const { spec, ...job } = pacedJob(JOB, { rounds: ROUNDS, fitMs: 0 })
  const pod = spec.partitions.find(({ name }: { name: string }) => name === POD)
  return {
    ...job,
    spec: {
      ...spec,
      ...entry.places,
      strategy: { minFitClients: 2, minAvailableClients: 2 },
      // The first parameters come from the first client of the seeded ranking, and not from the one that is ready first: the site's limit
      // counts them. Both are ready within this time.
      round: { ...spec.round, quorum: 2, settleSeconds: 300 },
      partitions: [pod, { name: SITE, external: { publicKey } }],
    },
  }
}

/** A program that says whether the address answers. */
function reach({ host, port, seconds }: { host: string; port: number; seconds: number }): string {
  return `const done = (said) => { console.log(said); process.exit() }
    require('net').connect({ host: '${host}', port: ${port}, timeout: ${seconds * 1000} })
      .on('connect', () => done('connected')).on('timeout', () => done('timeout')).on('error', ({ code }) => done(code))`
}

export function siteChartScenario(stage: () => Stage): void {
  const closing: (() => Promise<unknown>)[] = []
  after(async () => {
    for (const close of closing.reverse()) await close()
  })
  let hospital: Hospital
  let federation: Federation
  let publicKey: string
  let policy: EnforcedPolicy

  const exec = (...command: readonly string[]): Promise<string> =>
    hospital.kubectl(['exec', 'deployment/fedsam-site', '-c', 'site', '--', ...command])
  /** The audit log, where this machine has the volume. */
  const audit = async (): Promise<readonly { event: string; round?: number; kind?: string }[]> => {
    const text = await readFile(join(hospital.folder, 'volumes/state/state/audit.jsonl'), 'utf8')
    return text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
  }
  const trains = (round: number): Promise<unknown> =>
    until(`the site trains round ${round}`, audit, (lines) =>
      lines.some((line) => line.event === 'Task' && line.round === round && line.kind === 'Train'),
    )
  const open = (round: number): Promise<void> =>
    writeFile(join(hospital.folder, 'volumes', TABLE, String(round)), '')
  const podName = async (): Promise<string> =>
    (await hospital.kubectl(['get', 'pods', '-o', 'name'])).trim().replace('pod/', '')

  test('a second node, and the chart by the commands of its page: the pod runs, restricted, and waits', async () => {
    hospital = await openHospital()
    closing.push(
      () => rm(hospital.folder, { recursive: true, force: true }),
      () => hospital.node.stop(),
    )
    const [image] = await hospital.node.loadImages(['site'])
    // The end of the wire on this machine, where the hospital's pods reach it.
    const address = hospital.node.address.replace(/\d+$/, '1')
    const entry = await openSiteEntry(stage())
    closing.push(() => entry.close())
    await entry.listen(address, 'entry')
    federation = { image: image!.reference, entry, address, trust: await operatorKey(stage()) }
    await hospital.type('Make the key')
    await createVolumes(hospital)
    await writeValues(hospital, federation)
    await hospital.type('Install')
    publicKey = (await exec('fedsam', 'site', 'key', '/run/fedsam/site.key')).trim()
    assert.match(publicKey, /^[0-9a-f]{64}$/)
    // The trainer for Segment Anything is there too, on native TensorFlow.
    assert.match(await exec('node', 'worker/tensorflow/warm.ts'), /^Native TensorFlow on the CPU/)
  })

  test('it takes part with the network of its policy; killed in a round, deleted in another: the same bytes', async () => {
    const { kubectl, node } = hospital
    policy = await enforcePolicy(node, HOSPITAL)
    const job = jobWith(publicKey, federation)
    const same = modelOfPacedJob(job)
    await stage().claim(TRAINERS_CLAIM, `${ROOT}test/trainers`)
    await stage().apply(job)
    await trains(1)
    const checked = await hospital.type('Install', 1)
    for (const words of [`${publicKey}\n`, 'admits this key', 'takes part'])
      assert.ok(checked.includes(words), checked)
    const first = await podName()
    await open(1)
    await trains(2)
    await node.killContainer(HOSPITAL, first, 'site')
    await open(2)
    await trains(3)
    assert.equal(await podName(), first)
    // A kubelet that has not seen the second container yet gives the log of the first.
    await until(
      'the kubelet knows the second container',
      async () => JSON.parse(await kubectl(['get', 'pod', first, '-o', 'json'])).status.containerStatuses[0],
      ({ restartCount, state }) => restartCount === 1 && state.running !== undefined,
    )
    const said = await hospital.follow(first, 'site', 'round 3: trains\n')
    await kubectl(['delete', 'pod', first])
    // SIGTERM ended it: it told the coordinator, and nobody had to kill it.
    assert.match(await said(), new RegExp(`heart: ${SITE} in ${TEAM}/\\S+: stopped\n`))
    await until('another pod takes its place', podName, (name) => name !== first && name !== '')
    for (let round = 3; round <= ROUNDS; round++) await open(round)
    await stage().complete(JOB)
    assert.equal(await modelInBucket(stage(), JOB), await same)
    assert.match(await exec('fedsam', 'site', 'check', '/etc/fedsam-site/site.yaml'), /table gave 4 updates/)
    assert.equal(await policy.dropped(), 0)
  })

  test('another address than the entry is out of reach, and nothing reaches the pod', async () => {
    const { node, kubectl } = hospital
    const [ip] = (await kubectl(['get', 'pods', '-o', 'jsonpath={.items[*].status.podIP}'])).split(' ')
    const { address, entry } = federation
    assert.equal(
      await exec('node', '-e', reach({ host: address, port: entry.port, seconds: 60 })),
      'connected\n',
    )
    const before = await policy.dropped()
    const other = createServer().listen(0, address)
    closing.push(async () => other.close())
    await once(other, 'listening')
    const { port } = other.address() as AddressInfo
    for (const [host, at] of [
      [address, port],
      [node.address, API_PORT],
    ] as const)
      assert.equal(await exec('node', '-e', reach({ host, port: at, seconds: 2 })), 'timeout\n')
    const inward = ['-e', reach({ host: ip!, port: 22, seconds: 2 })]
    assert.equal((await promisify(execFile)(process.execPath, inward)).stdout, 'timeout\n')
    // What was not answered was dropped.
    assert.ok((await policy.dropped()) >= before + 3)
  })

  test('uninstalled by the commands of the page, it leaves nothing but the claim, which they delete last', async () => {
    const { kubectl } = hospital
    await hospital.type('Change, stop, and remove everything')
    const kinds = 'deployments,pods,secrets,networkpolicies,persistentvolumeclaims'
    await until(
      'nothing of it is left',
      () => kubectl(['get', kinds, '-o', 'name']),
      (left) => !left.includes('fedsam'),
    )
    await stage().kubectl(['delete', 'fj', JOB, '--timeout=60s'])
  })
}
