// The chart as Helm renders it, for tests: its objects, or what Helm says against the values. By Helm 3, or by the line that is named.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { parseAllDocuments } from 'yaml'
import { ensureHelm, type HelmLine } from '#scripts/helm.ts'

export const CHART = fileURLToPath(new URL('../../charts/fedsam', import.meta.url))
export const SITE_CHART = fileURLToPath(new URL('../../charts/fedsam-site', import.meta.url))
const SITE_PAGE = fileURLToPath(new URL('../../docs/how-to-site-in-a-cluster.md', import.meta.url))
const VALUES = fileURLToPath(new URL('values/', import.meta.url))
/** Every installation names the registry of its images. A test's own values win. */
export const REGISTRY = ['--values', fileURLToPath(new URL('registry.yaml', import.meta.url))]

export interface Rule {
  readonly apiGroups: readonly string[]
  readonly resources: readonly string[]
  readonly verbs: readonly string[]
}

interface Security {
  readonly [field: string]: unknown
}

export interface Container {
  readonly name: string
  readonly image: string
  readonly command?: readonly string[]
  readonly args?: readonly string[]
  readonly env?: readonly { readonly name: string; readonly value?: string }[]
  readonly securityContext?: Security
}

export interface PodSpec {
  readonly securityContext?: Security
  readonly imagePullSecrets?: readonly { readonly name: string }[]
  readonly enableServiceLinks?: boolean
  readonly containers: readonly Container[]
  readonly initContainers?: readonly Container[]
}

export interface Rendered {
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly labels?: Readonly<Record<string, string>>
    readonly annotations?: Readonly<Record<string, string>>
  }
  readonly rules?: readonly Rule[]
  readonly roleRef?: { readonly kind: string; readonly name: string }
  readonly data?: Readonly<Record<string, string>>
  // biome-ignore lint/suspicious/noExplicitAny: what a kind's spec holds is the test's own matter.
  readonly spec?: any
}

/** Resolves to what Helm prints; rejects with its words. */
export async function helm(line: HelmLine, args: readonly string[], env = process.env): Promise<string> {
  // Helm ends before its garbage is worth collecting: without collections it takes half of the processor time, and 10 MB more.
  const { stdout } = await promisify(execFile)(await ensureHelm(line), args, {
    env: { GOGC: 'off', ...env },
    maxBuffer: 16 * 2 ** 20,
  })
  return stdout
}

/** The names of the value files: what people set, by what it is for. */
export async function valueFiles(): Promise<string[]> {
  return (await readdir(VALUES)).map((file) => file.replace(/\.yaml$/, '')).sort()
}

/** Helm's flags for a value file. */
export function values(name: string): string[] {
  return ['--values', `${VALUES}${name}.yaml`]
}

/** Helm's flags for the values of docs/how-to-site-in-a-cluster.md, which are written into the folder. */
export async function siteValues(folder: string): Promise<readonly string[]> {
  const [, yaml] = /```yaml\n([\s\S]*?)```/.exec(await readFile(SITE_PAGE, 'utf8')) ?? assert.fail(SITE_PAGE)
  const file = join(folder, 'site-values.yaml')
  await writeFile(file, yaml!)
  return ['--values', file]
}

/** Every object of the release `fedsam` in namespace `system`; `flags` are Helm's, e.g. --set a=b. */
export async function render(...flags: readonly string[]): Promise<Rendered[]> {
  return renderBy(3, ...flags)
}

export async function renderBy(line: HelmLine, ...flags: readonly string[]): Promise<Rendered[]> {
  return objectsOf(line, ['fedsam', CHART, '--namespace', 'system'], [...REGISTRY, ...flags])
}

/** Every object of a release of a chart. `place`: the release's name, the chart, and Helm's flags for where. */
export async function objectsOf(
  line: HelmLine,
  place: readonly string[],
  flags: readonly string[],
): Promise<Rendered[]> {
  // --kube-version first: a test's own wins.
  const text = await helm(line, ['template', ...place, '--kube-version', '1.34.4', ...flags])
  return parseAllDocuments(text).flatMap((document) => {
    if (document.errors.length > 0) throw document.errors[0]
    return (document.toJS() as Rendered | null) ?? []
  })
}

/** Lints strictly. */
export async function lint(line: HelmLine, ...flags: readonly string[]): Promise<string> {
  return helm(line, ['lint', '--strict', CHART, ...REGISTRY, ...flags])
}

/** Fails unless the pod has what the Pod Security level restricted demands, a read-only root file system, and no variables of Services. */
export function assertRestricted(pod: PodSpec): void {
  const { securityContext, enableServiceLinks, containers, initContainers = [] } = pod
  assert.equal(securityContext?.runAsNonRoot, true)
  assert.deepEqual(securityContext?.seccompProfile, { type: 'RuntimeDefault' })
  // A Service's variables would look like ours: FEDSAM_METRICS_PORT=tcp://10.96.0.1:8080
  assert.equal(enableServiceLinks, false)
  for (const container of [...initContainers, ...containers]) {
    assert.deepEqual(container.securityContext, {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    })
  }
}

export const of = (objects: readonly Rendered[], kind: string): Rendered[] =>
  objects.filter((object) => object.kind === kind)

/** The pods that objects run: of a template, or the object itself. */
export function podsOf(objects: readonly Rendered[]): PodSpec[] {
  return objects.flatMap(({ kind, spec }) => (kind === 'Pod' ? [spec] : (spec?.template?.spec ?? [])))
}

/** The pod of one Deployment. */
export function podOf(objects: readonly Rendered[], name: string): PodSpec {
  return of(objects, 'Deployment').find(({ metadata }) => metadata.name === name)!.spec.template.spec
}

export const environment = (pod: PodSpec): Record<string, string | undefined> =>
  Object.fromEntries((pod.containers[0]!.env ?? []).map(({ name, value }) => [name, value]))
