// The parts of a real Kubernetes that tests run against: its six programs, built from the Go
// module, and etcd from Debian's package, unpacked, not installed. Kept in ~/.cache/fedsam/kubernetes-VERSION, so that only the
// first run pays (seven minutes on two cores). Promises: what is found there is complete. Starting them: server.ts.

import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { FedsamError } from '#protocol/errors.ts'
import { isExecutable } from '#runtime/paths.ts'

/** 1.34 is the newest line whose kubelet runs with Debian 12's containerd. */
export const KUBERNETES_VERSION = '1.34.4'

const PROGRAMS = [
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'kubelet',
  'kube-proxy',
  'kubectl',
] as const

/** Paths of the executables. */
export interface KubernetesBinaries {
  readonly apiserver: string
  readonly controllerManager: string
  readonly scheduler: string
  readonly kubelet: string
  readonly proxy: string
  readonly kubectl: string
  readonly etcd: string
}

export interface BuildOptions {
  /** Receives progress, one line a call. */
  readonly log?: (line: string) => void
  readonly env?: NodeJS.ProcessEnv
}

/** Where the executables are kept. */
export function kubernetesFolder(env: NodeJS.ProcessEnv = process.env): string {
  const cache = join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'fedsam')
  return join(cache, `kubernetes-${KUBERNETES_VERSION}`)
}

/** Whether the next call of ensureKubernetes builds nothing. */
export async function hasKubernetes(env: NodeJS.ProcessEnv = process.env): Promise<boolean> {
  const folder = kubernetesFolder(env)
  const found = await Promise.all([...PROGRAMS, 'etcd'].map((program) => isExecutable(join(folder, program))))
  return found.every(Boolean)
}

/** The executables, built or unpacked where they are missing (needs Go, and apt-get for etcd). Throws FedsamError InvalidJob. */
export async function ensureKubernetes(options: BuildOptions = {}): Promise<KubernetesBinaries> {
  const env = options.env ?? process.env
  const folder = kubernetesFolder(env)
  await mkdir(folder, { recursive: true })
  const run: Run = { folder, log: options.log ?? (() => {}), env }
  const missing: string[] = []
  for (const program of PROGRAMS) if (!(await isExecutable(join(folder, program)))) missing.push(program)
  if (missing.length > 0)
    await guarded('Kubernetes', 'see that Go and its module proxy work', build(run, missing))
  const etcd = join(folder, 'etcd')
  if (!(await isExecutable(etcd)))
    await guarded(
      'etcd',
      'on Debian run apt-get update, or put an etcd into the cache folder',
      unpackEtcd(run),
    )
  const at = (program: (typeof PROGRAMS)[number]): string => join(folder, program)
  return {
    apiserver: at('kube-apiserver'),
    controllerManager: at('kube-controller-manager'),
    scheduler: at('kube-scheduler'),
    kubelet: at('kubelet'),
    proxy: at('kube-proxy'),
    kubectl: at('kubectl'),
    etcd,
  }
}

interface Run {
  readonly folder: string
  readonly log: (line: string) => void
  readonly env: NodeJS.ProcessEnv
}

async function guarded(what: string, remedy: string, work: Promise<void>): Promise<void> {
  await work.catch((cause: unknown) => {
    throw new FedsamError('InvalidJob', `${what} could not be made: ${(cause as Error).message}`, {
      remedy,
      cause,
    })
  })
}

/** A module of its own that requires k8s.io/kubernetes, with the staging modules, which its go.mod has as folders, pinned. */
async function build(run: Run, programs: readonly string[]): Promise<void> {
  run.log(`building ${programs.join(', ')} ${KUBERNETES_VERSION} (once, about seven minutes)`)
  const work = await mkdtemp(join(run.folder, 'build-'))
  try {
    const version = `v${KUBERNETES_VERSION}`
    const about = await output(run, work, ['go', 'mod', 'download', '-json', `k8s.io/kubernetes@${version}`])
    const { GoMod } = JSON.parse(about) as { GoMod: string }
    const original = await readFile(GoMod, 'utf8')
    const staging = [...original.matchAll(/^\s*(k8s\.io\/[\w-]+) v0\.0\.0(?: |$)/gm)].map(([, name]) => name)
    const staged = `v0${KUBERNETES_VERSION.slice(1)}`
    const lines = [
      'module fedsam.dev/kubernetes',
      /^go .*$/m.exec(original)?.[0] ?? 'go 1.24',
      `require k8s.io/kubernetes ${version}`,
      ...[...new Set(staging)].map((name) => `replace ${name} => ${name} ${staged}`),
    ]
    const packages = PROGRAMS.map((program) => `k8s.io/kubernetes/cmd/${program}`)
    const imports = packages.map((name) => `import _ "${name}"`)
    await writeFile(join(work, 'go.mod'), `${lines.join('\n')}\n`)
    await writeFile(join(work, 'tools.go'), `//go:build tools\n\npackage tools\n\n${imports.join('\n')}\n`)
    await output(run, work, ['go', 'mod', 'tidy'])
    for (const program of programs) await buildOne(run, work, program)
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

/** Built beside its place and renamed: nobody ever sees half an executable. */
async function buildOne(run: Run, work: string, program: string): Promise<void> {
  const [major, minor] = KUBERNETES_VERSION.split('.')
  const values = { gitVersion: `v${KUBERNETES_VERSION}`, gitMajor: major, gitMinor: minor }
  const set = Object.entries(values).map(
    ([name, value]) => `-X k8s.io/component-base/version.${name}=${value}`,
  )
  const flags = ['-trimpath', '-p', '2', '-ldflags', `-s -w ${set.join(' ')}`]
  const out = join(work, program)
  await output(run, work, ['go', 'build', ...flags, '-o', out, `k8s.io/kubernetes/cmd/${program}`])
  await rename(out, join(run.folder, program))
  run.log(`built ${program} ${KUBERNETES_VERSION}`)
}

async function unpackEtcd(run: Run): Promise<void> {
  run.log("unpacking etcd from Debian's package etcd-server")
  const work = await mkdtemp(join(run.folder, 'etcd-'))
  try {
    const download = (): Promise<string> => output(run, work, ['apt-get', 'download', 'etcd-server'])
    await download().catch(async () => {
      await output(run, work, ['apt-get', 'update'])
      return download()
    })
    const archive = (await readdir(work)).find((name) => name.endsWith('.deb'))
    await output(run, work, ['dpkg', '-x', archive!, 'root'])
    await rename(join(work, 'root/usr/bin/etcd'), join(run.folder, 'etcd'))
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

/** Standard output of a command that ended well. */
async function output(run: Run, cwd: string, command: readonly string[]): Promise<string> {
  const env = { ...run.env, CGO_ENABLED: '0', GOFLAGS: '-buildvcs=false' }
  const child = spawn(command[0]!, command.slice(1), { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] })
  const tail: string[] = []
  createInterface({ input: child.stderr }).on('line', (line) => {
    tail.push(line)
    if (tail.length > 5) tail.shift()
  })
  let text = ''
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString()
  })
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  if (status !== 0)
    throw new Error(`${command.slice(0, 3).join(' ')} ended with ${status}: ${tail.join('; ')}`)
  return text
}
