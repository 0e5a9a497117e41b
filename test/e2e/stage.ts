// The stage of the end-to-end layer: the real node with our images, the chart with its quickstart servers, a namespace for jobs under
// the restricted Pod Security level, and hands to act with: kubectl, the bucket, volumes, waiting. One for all scenarios.
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FederatedJobStatus } from '#protocol/generated/federatedjob.ts'
import { BUCKET, findQuickstart, openBucket, REGION, uploadCheckpoint } from '#scripts/cluster/quickstart.ts'
import { claimOf } from '#scripts/cluster/volumes.ts'
import type { BuiltImage } from '#scripts/images/images.ts'
import { findNode, type RunningNode, startNode } from '#scripts/kubernetes/node.ts'
import type { ObjectStore } from '#transport/ports.ts'
import { untilSeen } from '../until.ts'

export const SYSTEM = 'fedsam-system'
export const TEAM = 'team-a'
/** The host of the entry for sites; site-entry.ts serves it. */
export const ENTRY_HOST = 'federation.example'
export { BUCKET }

/** Seconds for which the status of a job that trains may stay the same. A busy machine makes rounds slow, but it finishes them. */
const LONGEST_STILL = 300

/** Labels the volumes, which are in no namespace. */
const VOLUMES = { 'fedsam.dev/stage': 'e2e' }

export interface Stage {
  readonly node: RunningNode
  /** kubectl in the jobs' namespace; resolves to its output. */
  kubectl(args: readonly string[], input?: string): Promise<string>
  /** Applies an object, whose namespace is the jobs'. */
  apply(...objects: readonly object[]): Promise<void>
  /** A claim of this name in the jobs' namespace, bound, whose read-only volume is a copy of the folder. */
  claim(name: string, folder: string): Promise<void>
  /** The bucket under a prefix, as its owner sees it. */
  bucket(prefix: string): ObjectStore
  /** Puts the example's checkpoint into it. */
  checkpoint(prefix: string): Promise<void>
  /** The same as variables for programs. */
  readonly credentials: Readonly<Record<string, string>>
  status(job: string): Promise<FederatedJobStatus>
  /** Waits until the job is complete, for as long as its status moves on. */
  complete(job: string): Promise<void>
  stop(): Promise<void>
}

/**
 * Brings everything up; takes minutes where images must be built first. With FEDSAM_E2E_NODE the node of that name, which runs already,
 * is taken, and left as it is: for who writes scenarios.
 */
export async function openStage(): Promise<Stage> {
  const log = (line: string): void => void process.stderr.write(`${line}\n`)
  const name = process.env.FEDSAM_E2E_NODE
  const node = (name && (await findNode(name, log))) || (await startNode({ log }))
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-e2e-'))
  await chmod(folder, 0o755)
  const stop = async (): Promise<void> => {
    if (name) await clear(node)
    else await node.stop()
    await rm(folder, { recursive: true, force: true })
  }
  try {
    if (name) await clear(node)
    const images = await node.loadImages()
    await createTeam(node)
    // `npm run cluster` prepares its example in namespace default: on a node that stays, that tenant stays too.
    const tenants = ['--set', `quickstart.namespaces={default,${TEAM}}`]
    const args = [...gpuByCpu(images), ...tenants, '--set-json', `entry=${JSON.stringify(ENTRY)}`]
    await node.installChart({ namespace: SYSTEM, images, args })
    return { ...(await furnish(node, folder)), stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** The servers behind an entry for sites. No edge of Kubernetes runs here, so the class is nobody's, and the peers are the test's own edge. */
const ENTRY = {
  enabled: true,
  host: ENTRY_HOST,
  tlsSecretName: 'entry-tls',
  ingress: { className: 'none' },
  from: [{ ipBlock: { cidr: '10.213.0.0/16' } }],
  stores: [{ bucket: BUCKET, service: `fedsam-s3-${TEAM}`, port: 7070 }],
}

/** There is no GPU here: workers that ask for one run the CPU's image, and fall back where their job says so. */
function gpuByCpu(images: readonly BuiltImage[]): string[] {
  const { reference } = images.find(({ name }) => name === 'worker')!
  const at = reference.lastIndexOf(':')
  const [repository, tag] = [reference.slice(0, at), reference.slice(at + 1)]
  return ['--set', `images.workerGpu.repository=${repository}`, '--set-string', `images.workerGpu.tag=${tag}`]
}

/** Takes away what a stage made on a node that stays. */
async function clear(node: RunningNode): Promise<void> {
  const gone = ['--ignore-not-found', '--timeout=120s']
  await node.kubectl(['delete', 'namespace', TEAM, ...gone])
  await node.kubectl(['delete', 'persistentvolume', '-l', 'fedsam.dev/stage=e2e', ...gone])
}

/** The namespace of the jobs. */
async function createTeam(node: RunningNode): Promise<void> {
  const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' }
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: TEAM, labels } }
  await node.kubectl(['apply', '-f', '-'], JSON.stringify(namespace))
}

async function furnish(node: RunningNode, folder: string): Promise<Omit<Stage, 'stop'>> {
  const kubectl = (args: readonly string[], input?: string): Promise<string> =>
    node.kubectl(['-n', TEAM, ...args], input)
  const apply = async (...objects: readonly object[]): Promise<void> => {
    const list = { apiVersion: 'v1', kind: 'List', items: objects }
    await kubectl(['apply', '--server-side', '-f', '-'], JSON.stringify(list))
  }
  const statusOf = async (job: string): Promise<FederatedJobStatus> =>
    JSON.parse(await kubectl(['get', 'fj', job, '-o', 'json'])).status ?? {}
  const quickstart = await findQuickstart(node, SYSTEM, TEAM)
  const { endpoint, keys, caFile } = quickstart
  return {
    node,
    kubectl,
    apply,
    bucket: (prefix) => openBucket(quickstart, prefix),
    checkpoint: (prefix) => uploadCheckpoint(quickstart, prefix),
    credentials: {
      ...keys,
      AWS_REGION: REGION,
      AWS_ENDPOINT_URL_S3: endpoint,
      NODE_EXTRA_CA_CERTS: caFile,
    },
    async claim(name, from) {
      await apply(...(await claimOf({ folder, namespace: TEAM, name, from, labels: VOLUMES })))
      // A pod that the scheduler sees before the claim is bound may wait for minutes until it is looked at again.
      await kubectl(['wait', '--for=jsonpath={.status.phase}=Bound', `pvc/${name}`, '--timeout=60s'])
    },
    status: statusOf,
    complete: (job) => untilComplete(job, () => statusOf(job)),
  }
}

/** The operator's public key, as docs/how-to-verify.md finds it. */
export async function operatorKey({ node }: Stage): Promise<string> {
  const logged = await node.kubectl(['-n', SYSTEM, 'logs', 'deployment/fedsam'])
  const [, key] = /public key ([0-9a-f]{64})/.exec(logged) ?? []
  if (key === undefined) throw new Error(`the operator logs no public key: ${logged.slice(0, 2000)}`)
  return key
}

export function secretOf(name: string, stringData: Readonly<Record<string, string>>): object {
  return { apiVersion: 'v1', kind: 'Secret', metadata: { name }, stringData }
}

/** Resolves with the first value that holds. A real node takes its time, so a scenario may name more seconds. */
export function until<T>(
  what: string,
  look: () => Promise<T>,
  holds: (seen: T) => boolean,
  seconds = 120,
): Promise<T> {
  return untilSeen(what, look, holds, { seconds })
}

/** Resolves once the condition Complete is true. Throws where the job fails, or its status does not change for LONGEST_STILL. */
async function untilComplete(job: string, statusOf: () => Promise<FederatedJobStatus>): Promise<void> {
  let seen = ''
  for (let changedAt = performance.now(); ; ) {
    const { conditions = [], training, summary } = await statusOf()
    const holds = conditions.filter(({ status }) => status === 'True').map(({ type }) => type)
    if (holds.includes('Complete')) return
    const now = JSON.stringify([training, summary])
    if (now !== seen) changedAt = performance.now()
    seen = now
    if (holds.includes('Failed')) throw new Error(`${job} failed: ${seen}`)
    if (performance.now() - changedAt > LONGEST_STILL * 1000)
      throw new Error(`${job} made no progress for ${LONGEST_STILL} s: ${seen}`)
    await sleep(1000)
  }
}
