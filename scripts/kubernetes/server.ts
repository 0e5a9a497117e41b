// A real API server on 127.0.0.1 with etcd beside it, in a folder of its own with its own certificates; no node, and the
// controller manager only where it is asked for. Promises: ready when the promise resolves; nothing is left behind, not even
// when the process that started it is killed.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, open, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { FedsamError } from '#protocol/errors.ts'
import { type BuildOptions, ensureKubernetes, type KubernetesBinaries } from './build.ts'
import { ADMIN, apiserverHolder, kubeconfigText, makeCertificates } from './certificates.ts'
import { type Kubectl, kubectlWith } from './kubectl.ts'

/** A running API server, its administrator's kubeconfig, and its kubectl. */
export interface KubernetesServer {
  readonly url: string
  readonly kubeconfig: string
  readonly ca: string
  /** Certificate and key of a member of system:masters, PEM. */
  readonly admin: { readonly cert: string; readonly key: string }
  /** Runs kubectl as administrator; rejects with its error output. */
  readonly kubectl: Kubectl
  /** Starts the controllers where they do not run yet; `rate` is the calls a second that they make at most. */
  startControllers(rate?: number): Promise<void>
  stop(): Promise<void>
}

export interface ServerOptions extends BuildOptions {
  /** Where etcd, certificates and logs lie. */
  readonly folder: string
  /** Whether Jobs make pods and owner references are collected. */
  readonly controllers?: boolean
  /** Further flags of kube-apiserver, without dashes. */
  readonly flags?: Readonly<Record<string, string>>
}

/** Calls a second that the controllers make by their own habit. */
const CONTROLLERS_RATE = 20

/** Starts etcd and kube-apiserver, and kube-controller-manager where asked. Throws FedsamError InvalidJob with the log's end. */
export async function startKubernetes(options: ServerOptions): Promise<KubernetesServer> {
  const binaries = await ensureKubernetes(options)
  const { folder } = options
  await mkdir(folder, { recursive: true })
  await makeCertificates(folder, [apiserverHolder(['127.0.0.1', '10.96.0.1']), ADMIN])
  const [etcd, peer, port] = [await freePort(), await freePort(), await freePort()]
  const url = `https://127.0.0.1:${port}`
  const kubeconfig = join(folder, 'kubeconfig')
  await writeFile(kubeconfig, kubeconfigText(folder, url, ADMIN.name), { mode: 0o600 })
  const children: Guarded[] = []
  const stop = async (): Promise<void> => {
    for (const child of children.reverse()) await child.stop()
  }
  const kubectl = kubectlWith(binaries.kubectl, kubeconfig)
  const startControllers = async (rate = CONTROLLERS_RATE): Promise<void> => {
    const command = managerCommand(binaries, { folder, rate }, kubeconfig)
    children.push(await startGuarded(folder, 'kube-controller-manager', command))
  }
  try {
    children.push(await startGuarded(folder, 'etcd', etcdCommand(binaries, folder, etcd, peer)))
    children.push(
      await startGuarded(folder, 'kube-apiserver', apiserverCommand(binaries, options, etcd, port)),
    )
    await untilReady(folder, children, () => kubectl(['get', '--raw', '/readyz']))
    if (options.controllers) await startControllers()
  } catch (error) {
    await stop()
    throw error
  }
  const read = (file: string): Promise<string> => readFile(join(folder, file), 'utf8')
  const [ca, cert, key] = await Promise.all(['ca.crt', 'admin.crt', 'admin.key'].map(read))
  return { url, kubeconfig, ca: ca!, admin: { cert: cert!, key: key! }, kubectl, startControllers, stop }
}

function etcdCommand({ etcd }: KubernetesBinaries, folder: string, port: number, peer: number): string[] {
  const [client, other] = [`http://127.0.0.1:${port}`, `http://127.0.0.1:${peer}`]
  const urls = [`--listen-client-urls=${client}`, `--advertise-client-urls=${client}`]
  const peers = [
    `--listen-peer-urls=${other}`,
    `--initial-advertise-peer-urls=${other}`,
    `--initial-cluster=default=${other}`,
  ]
  return [etcd, `--data-dir=${join(folder, 'etcd')}`, '--unsafe-no-fsync', ...urls, ...peers]
}

function apiserverCommand(
  { apiserver }: KubernetesBinaries,
  { folder, flags: further }: ServerOptions,
  etcd: number,
  port: number,
): string[] {
  const flags = {
    'etcd-servers': `http://127.0.0.1:${etcd}`,
    'bind-address': '127.0.0.1',
    'advertise-address': '127.0.0.1',
    'secure-port': port,
    'client-ca-file': join(folder, 'ca.crt'),
    'tls-cert-file': join(folder, 'apiserver.crt'),
    'tls-private-key-file': join(folder, 'apiserver.key'),
    'service-account-issuer': 'https://kubernetes.default.svc',
    'service-account-key-file': join(folder, 'accounts.key'),
    'service-account-signing-key-file': join(folder, 'accounts.key'),
    'service-cluster-ip-range': '10.96.0.0/16',
    'authorization-mode': 'Node,RBAC',
    // No controller makes the default accounts here, and no node is there to restrict.
    'disable-admission-plugins': 'ServiceAccount',
    'endpoint-reconciler-type': 'none',
    ...further,
  }
  return [apiserver, ...Object.entries(flags).map(([name, value]) => `--${name}=${value}`)]
}

function managerCommand(
  { controllerManager }: KubernetesBinaries,
  { folder, rate }: { readonly folder: string; readonly rate: number },
  kubeconfig: string,
): string[] {
  const flags = {
    kubeconfig,
    'root-ca-file': join(folder, 'ca.crt'),
    'service-account-private-key-file': join(folder, 'accounts.key'),
    'leader-elect': 'false',
    'secure-port': '0',
    'kube-api-qps': rate,
  }
  return [controllerManager, ...Object.entries(flags).map(([name, value]) => `--${name}=${value}`)]
}

interface Guarded {
  readonly child: ChildProcess
  stop(): Promise<void>
}

/** As in ../servers.ts: a shell holds a pipe of ours and kills the server when we are gone, however we end. */
async function startGuarded(folder: string, name: string, command: readonly string[]): Promise<Guarded> {
  const log = await open(join(folder, `${name}.log`), 'a')
  const guard = 'server=$$; (cat <&3 >/dev/null; kill -9 "$server") 2>/dev/null & exec "$0" "$@" 3<&-'
  const stdio = ['ignore', log.fd, log.fd, 'pipe'] as const
  const child = spawn('sh', ['-c', guard, ...command], { detached: true, cwd: folder, stdio: [...stdio] })
  await once(child, 'spawn').finally(() => log.close())
  const pipe = child.stdio[3]
  child.once('exit', () => pipe?.destroy())
  child.unref()
  ;(pipe as { unref?: () => void }).unref?.()
  const stop = async (): Promise<void> => {
    if (isOver(child)) return
    child.ref()
    const gone = once(child, 'exit')
    child.kill('SIGTERM')
    const late = setTimeout(() => child.kill('SIGKILL'), 3000)
    await gone
    clearTimeout(late)
  }
  return { child, stop }
}

function isOver({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null
}

async function untilReady(
  folder: string,
  children: readonly Guarded[],
  ask: () => Promise<string>,
): Promise<void> {
  for (let tries = 0; tries < 300; tries++) {
    if (children.some(({ child }) => isOver(child))) break
    const answer = await ask().catch(() => '')
    if (answer === 'ok') return
    await sleep(200)
  }
  const ends = ['etcd', 'kube-apiserver'].map(async (name) => {
    const log = await readFile(join(folder, `${name}.log`), 'utf8').catch(() => '')
    return `${name}: ${log.trim().split('\n').slice(-3).join('; ')}`
  })
  const message = `the API server did not become ready; ${(await Promise.all(ends)).join(' | ')}`
  throw new FedsamError('InvalidJob', message, { remedy: `read the logs in ${folder}` })
}

async function freePort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}
