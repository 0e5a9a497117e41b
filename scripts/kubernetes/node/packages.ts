// What a node and its images need of the system: Linux, root, and programs of Debian packages. Promises: names everything that is
// missing at once; installs only where it is asked to.
import { execFile } from 'node:child_process'
import { access } from 'node:fs/promises'
import { promisify } from 'node:util'
import { FedsamError } from '#protocol/errors.ts'

/** A file of each package. */
const PACKAGES: Readonly<Record<string, string>> = {
  containerd: '/usr/bin/containerd',
  runc: '/usr/sbin/runc',
  'containernetworking-plugins': '/usr/lib/cni/ptp',
  buildah: '/usr/bin/buildah',
  iptables: '/usr/sbin/iptables',
  nftables: '/usr/sbin/nft',
  conntrack: '/usr/sbin/conntrack',
  debootstrap: '/usr/sbin/debootstrap',
  'debian-archive-keyring': '/usr/share/keyrings/debian-archive-keyring.gpg',
  iproute2: '/usr/sbin/ip',
  openssl: '/usr/bin/openssl',
  gcc: '/usr/bin/gcc',
  'libc6-dev': '/usr/include/stdlib.h',
}

/** Why no node can run here, in one sentence; undefined where one can. */
export async function whyNoNode(): Promise<string | undefined> {
  const system = whyNotThisSystem()
  if (system !== undefined) return system
  const missing = await missingPackages()
  if (missing.length === 0) return undefined
  return `these packages are missing: ${missing.join(' ')} (apt-get install them, or run npm run cluster once)`
}

/** Installs what is missing. Throws FedsamError RunFailed where this system has no apt-get, or apt-get fails. */
export async function ensurePackages(log: (line: string) => void = () => {}): Promise<void> {
  const system = whyNotThisSystem()
  if (system !== undefined)
    throw new FedsamError('RunFailed', `a Kubernetes node needs more: ${system}`, {
      remedy: 'CONTRIBUTING.md lists what a node needs',
    })
  const missing = await missingPackages()
  if (missing.length === 0) return
  log(`installing ${missing.join(' ')}`)
  const install = ['install', '-y', '--no-install-recommends', ...missing]
  try {
    await aptGet(['update'])
    await aptGet(install)
  } catch (cause) {
    throw new FedsamError('RunFailed', `packages could not be installed: ${(cause as Error).message}`, {
      remedy: `on Debian or Ubuntu see that apt-get ${install.join(' ')} works; elsewhere install the same programs`,
      cause,
    })
  }
}

/** Without regard to packages: why no node can run on this system. */
export function whyNotThisSystem(): string | undefined {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    return `it is Linux on x64 that a node runs on, and this is ${process.platform} on ${process.arch}`
  if (process.getuid?.() !== 0) return 'a node needs root, and this user is not'
  return undefined
}

async function missingPackages(): Promise<string[]> {
  const missing: string[] = []
  for (const [name, file] of Object.entries(PACKAGES)) await access(file).catch(() => missing.push(name))
  return missing
}

async function aptGet(args: readonly string[]): Promise<void> {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  await promisify(execFile)('apt-get', args, { env, maxBuffer: 1 << 26 })
}
