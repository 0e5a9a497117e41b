// A real Kubernetes of one node on this machine: `startNode` for tests and `npm run cluster`. Promises: Ready, able to run pods and with
// DNS when the promise resolves; nothing of this machine is changed; nothing is left after stop, or after the end of this process
// where it is not detached. Where it runs is node/machine.ts, what runs in it node/control-plane.ts and node/worker-parts.ts.
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ensureGoProgram, type GoProgram, hasGoProgram } from '#cli/run/servers/binaries.ts'
import { FedsamError } from '#protocol/errors.ts'
import { ensureHelm } from '../helm.ts'
import { ensureImages } from '../images/images.ts'
import { ensureKubernetes } from './build.ts'
import { ADMIN, apiserverHolder, type Holder, kubeconfigText, makeCertificates } from './certificates.ts'
import { type Kubectl, kubectlWith } from './kubectl.ts'
import * as control from './node/control-plane.ts'
import { findMachine, type Machine, startMachine } from './node/machine.ts'
import { ensurePackages } from './node/packages.ts'
import { operations, type RunningNode } from './node/running.ts'
import * as worker from './node/worker-parts.ts'

export type { RunningNode } from './node/running.ts'

const COREDNS: GoProgram = {
  name: 'coredns',
  module: 'github.com/coredns/coredns',
  version: 'v1.14.7',
  variable: 'FEDSAM_COREDNS',
  code: 'RunFailed',
}

export interface NodeOptions {
  readonly log?: (line: string) => void
  /** The node's name, also of its folder; one of its own where it is not given. */
  readonly name?: string
  /** Goes on when this process is gone. */
  readonly detached?: boolean
}

/** Starts a node, after making every program that it needs. Throws FedsamError RunFailed with the reason and the end of a log. */
export async function startNode(options: NodeOptions = {}): Promise<RunningNode> {
  const { log = () => {}, name = `fedsam-node-${process.pid}`, detached = false } = options
  await ensurePackages(log)
  const programs = await ensurePrograms(log)
  const [pause] = await ensureImages(['pause'], { log })
  const machine = await startMachine({ name, detached })
  try {
    const place = placeOf(machine, programs.binaries)
    await writeFiles(place)
    const kubectl = kubectlWith(programs.binaries.kubectl, kubeconfigOf(machine))
    await startControlPlane(machine, place, kubectl)
    await startParts(machine, place, programs.coredns)
    const node = operations({ machine, kubectl, log, helm: programs.helm, kubeconfig: kubeconfigOf(machine) })
    await node.importImages([pause!])
    await untilHolds(machine, 'kubelet', 'the node did not become Ready', async () => {
      const path = '-o=jsonpath={.status.conditions[?(@.type=="Ready")].status}'
      return (await kubectl(['get', 'node', name, path])) === 'True'
    })
    return node
  } catch (error) {
    await machine.stop()
    throw error
  }
}

/** A node that another process started detached; undefined where none of this name runs. */
export async function findNode(
  name: string,
  log: (line: string) => void = () => {},
): Promise<RunningNode | undefined> {
  const machine = await findMachine(name)
  if (machine === undefined) return undefined
  const { binaries, helm } = await ensurePrograms(log)
  const kubeconfig = kubeconfigOf(machine)
  return operations({ machine, kubectl: kubectlWith(binaries.kubectl, kubeconfig), log, helm, kubeconfig })
}

async function ensurePrograms(log: (line: string) => void) {
  const binaries = await ensureKubernetes({ log })
  return { binaries, coredns: await ensureCoreDns(log), helm: await ensureHelm(3, { log }) }
}

/** The path of the node's DNS server, built where it is missing. */
export function ensureCoreDns(log: (line: string) => void): Promise<string> {
  return ensureGoProgram(COREDNS, { log })
}

/** Whether the next call of ensureCoreDns builds nothing. */
export function hasCoreDns(): Promise<boolean> {
  return hasGoProgram(COREDNS)
}

function kubeconfigOf({ folder }: Machine): string {
  return join(folder, 'admin.kubeconfig')
}

function placeOf({ folder, name, network }: Machine, binaries: control.Place['binaries']): control.Place {
  return { folder, nodeName: name, network, binaries }
}

/** Certificates, a kubeconfig for each holder, configurations. */
async function writeFiles(place: control.Place): Promise<void> {
  const { folder, network, nodeName } = place
  const user = (name: string, subject: string): Holder => ({ name, subject })
  const users = [
    ADMIN,
    user('manager', '/CN=system:kube-controller-manager'),
    user('scheduler', '/CN=system:kube-scheduler'),
    user('proxy', '/CN=system:kube-proxy'),
    user('node', `/O=system:nodes/CN=system:node:${nodeName}`),
  ]
  const server = apiserverHolder(['127.0.0.1', network.address, network.apiService])
  await makeCertificates(folder, [server, ...users])
  const files = Object.entries(worker.configurations(place))
  for (const { name } of users)
    files.push([`${name}.kubeconfig`, kubeconfigText(folder, control.apiUrl(network), name)])
  for (const [file, text] of files) {
    await mkdir(dirname(join(folder, file)), { recursive: true })
    await writeFile(join(folder, file), text, { mode: 0o600 })
  }
}

async function startControlPlane(machine: Machine, place: control.Place, kubectl: Kubectl): Promise<void> {
  await machine.start('etcd', control.etcdCommand(place))
  await machine.start('kube-apiserver', control.apiserverCommand(place))
  await untilHolds(machine, 'kube-apiserver', 'the API server did not become ready', async () => {
    return (await kubectl(['get', '--raw', '/readyz'])) === 'ok'
  })
  await machine.start('kube-controller-manager', control.managerCommand(place))
  await machine.start('kube-scheduler', control.schedulerCommand(place))
}

async function startParts(machine: Machine, place: control.Place, coredns: string): Promise<void> {
  await machine.start('containerd', worker.containerdCommand(place))
  const ctr = ['ctr', '--address', worker.containerdSocket(place), 'version']
  await untilHolds(machine, 'containerd', 'containerd did not answer', async () =>
    machine.run(ctr).then(() => true),
  )
  await machine.start('kubelet', worker.kubeletCommand(place))
  await machine.start('kube-proxy', worker.proxyCommand(place))
  await machine.start('coredns', worker.dnsCommand(coredns, place))
}

async function untilHolds(
  { folder }: Machine,
  part: string,
  otherwise: string,
  holds: () => Promise<boolean>,
): Promise<void> {
  let last = ''
  for (const end = Date.now() + 120_000; Date.now() < end; await sleep(100)) {
    try {
      if (await holds()) return
    } catch (error) {
      last = (error as Error).message
    }
  }
  const log = await readFile(join(folder, `${part}.log`), 'utf8').catch(() => '')
  const end = log.trim().split('\n').slice(-5).join('; ')
  throw new FedsamError('RunFailed', `${otherwise}: ${last}; the end of ${part}'s log: ${end}`, {
    remedy: `read ${join(folder, part)}.log`,
  })
}
