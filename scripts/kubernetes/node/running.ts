// What can be done with a running node: kubectl and Helm with its kubeconfig, images brought in, the chart installed, and interventions
// for tests (a capacity that is not there, a container killed). Starting and finding nodes: ../node.ts.
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { FedsamError } from '#protocol/errors.ts'
import { type BuiltImage, ensureImages, type ImageName, QUICKSTART_IMAGES } from '../../images/images.ts'
import type { Kubectl } from '../kubectl.ts'
import type { Machine } from './machine.ts'
import { containerdSocket } from './worker-parts.ts'

const CHART = fileURLToPath(new URL('../../../charts/fedsam', import.meta.url))

export interface ChartOptions {
  readonly namespace: string
  readonly images: readonly BuiltImage[]
  /** Brings nats-server and an S3 server into the namespace; true where it is not given. */
  readonly quickstart?: boolean
  /** Further arguments of helm upgrade. */
  readonly args?: readonly string[]
}

export interface RunningNode {
  readonly name: string
  readonly folder: string
  readonly kubeconfig: string
  /** The node's address, reached from this machine; so are Services and pods. */
  readonly address: string
  readonly kubectl: Kubectl
  /** Resolves to what Helm prints. */
  helm(args: readonly string[]): Promise<string>
  /** Builds what is not cached and brings it in; by default all that the chart and jobs without a GPU need. */
  loadImages(names?: readonly ImageName[]): Promise<readonly BuiltImage[]>
  importImages(images: readonly BuiltImage[]): Promise<void>
  /** Gives an image that is here a further name: what `registry/name:tag` an image is pulled as. */
  tagImage(name: ImageName, reference: string): Promise<void>
  /** Installs or upgrades the chart with these images as release `fedsam` and waits until it is ready. */
  installChart(options: ChartOptions): Promise<void>
  /** Lets the node announce an amount of a resource, such as nvidia.com/gpu, that it does not have. */
  setCapacity(resource: string, count: number): Promise<void>
  /** SIGKILL to a running container's first process. */
  killContainer(namespace: string, pod: string, container: string): Promise<void>
  /** Takes the node down; nothing is left of it. */
  stop(): Promise<void>
}

export interface Parts {
  readonly machine: Machine
  readonly kubectl: Kubectl
  /** Helm's executable. */
  readonly helm: string
  readonly kubeconfig: string
  readonly log: (line: string) => void
}

export function operations(parts: Parts): RunningNode {
  const { machine, kubectl, kubeconfig, log } = parts
  const { name, folder, network } = machine
  const ctr = (...args: string[]): Promise<string> =>
    machine.run(['ctr', '--address', containerdSocket({ folder }), '--namespace', 'k8s.io', ...args])
  const loaded = new Map<ImageName, BuiltImage>()
  const importImages = async (images: readonly BuiltImage[]): Promise<void> => {
    for (const image of images) {
      const there = (await ctr('images', 'list', '--quiet')).split('\n').includes(image.reference)
      if (!there) await ctr('images', 'import', '--no-unpack=false', image.archive)
      loaded.set(image.name, image)
    }
  }
  const helm = (args: readonly string[]): Promise<string> => runHelm(parts, args)
  return {
    name,
    folder,
    kubeconfig,
    address: network.address,
    kubectl,
    helm,
    importImages,
    async loadImages(names = QUICKSTART_IMAGES) {
      const images = await ensureImages(names, { log })
      await importImages(images)
      return images
    },
    async tagImage(image, reference) {
      await ctr('images', 'tag', '--force', loaded.get(image)!.reference, fullName(reference))
    },
    installChart: (options) => installChart(helm, options),
    async setCapacity(resource, count) {
      const patch = JSON.stringify({ status: { capacity: { [resource]: String(count) } } })
      await kubectl(['patch', 'node', name, '--subresource=status', '--type=merge', '--patch', patch])
    },
    async killContainer(namespace, pod, container) {
      const found = JSON.parse(await kubectl(['-n', namespace, 'get', 'pod', pod, '-o', 'json'])) as Pod
      await ctr('tasks', 'kill', '--signal', 'SIGKILL', containerId(found, container))
    },
    stop: () => machine.stop(),
  }
}

interface Pod {
  readonly status: Readonly<Record<string, unknown>>
}

function containerId({ status }: Pod, name: string): string {
  const states = ['containerStatuses', 'initContainerStatuses'].flatMap(
    (list) => (status[list] ?? []) as { name: string; containerID?: string; state?: { running?: object } }[],
  )
  const found = states.find((state) => state.name === name && state.state?.running !== undefined)
  if (!found?.containerID)
    throw new FedsamError('RunFailed', `container ${name} does not run`, {
      remedy: 'read its state with kubectl get pods',
    })
  return found.containerID.replace('containerd://', '')
}

/** As containerd keeps it: Docker's registry is meant where none is named. */
function fullName(reference: string): string {
  const [first] = reference.split('/')
  return reference.includes('/') && /[.:]/.test(first!) ? reference : `docker.io/${reference}`
}

async function installChart(
  helm: RunningNode['helm'],
  { namespace, images, quickstart = true, args = [] }: ChartOptions,
): Promise<void> {
  const values = images.flatMap(({ values, reference }) => {
    if (values === undefined) return []
    const at = reference.lastIndexOf(':')
    return [
      '--set',
      `${values}.repository=${reference.slice(0, at)}`,
      '--set-string',
      `${values}.tag=${reference.slice(at + 1)}`,
    ]
  })
  // Images of this machine have the registry's name docker.io, also those that are not built here.
  const registry = ['--set', 'images.registry=docker.io']
  const brings = quickstart ? ['--set', 'quickstart.enabled=true'] : []
  const where = ['--namespace', namespace, '--create-namespace', '--wait', '--timeout=5m']
  await helm(['upgrade', '--install', 'fedsam', CHART, ...where, ...registry, ...values, ...brings, ...args])
}

async function runHelm({ helm, kubeconfig, machine }: Parts, args: readonly string[]): Promise<string> {
  // Helm keeps its caches with the node, not in this user's folders.
  const own = Object.fromEntries(
    ['CACHE', 'CONFIG', 'DATA'].map((kind) => [`HELM_${kind}_HOME`, `${machine.folder}/helm`]),
  )
  const env = { ...process.env, ...own, KUBECONFIG: kubeconfig }
  try {
    return (await promisify(execFile)(helm, args, { env, maxBuffer: 1 << 26 })).stdout
  } catch (error) {
    throw new Error((error as { stderr?: string }).stderr?.trim() || (error as Error).message)
  }
}
