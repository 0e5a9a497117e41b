// The chart as Helm renders it, for tests: its objects, or what Helm says against the values. By Helm 3, or by the line that is named.
import { execFile } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { parseAllDocuments } from 'yaml'
import { ensureHelm, type HelmLine } from '#scripts/helm.ts'

export const CHART = fileURLToPath(new URL('../../charts/fedsam', import.meta.url))
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
  const { stdout } = await promisify(execFile)(await ensureHelm(line), args, { env, maxBuffer: 16 * 2 ** 20 })
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

/** Every object of the release `fedsam` in namespace `system`; `flags` are Helm's, e.g. --set a=b. */
export async function render(...flags: readonly string[]): Promise<Rendered[]> {
  return renderBy(3, ...flags)
}

export async function renderBy(line: HelmLine, ...flags: readonly string[]): Promise<Rendered[]> {
  const place = ['template', 'fedsam', CHART, '--namespace', 'system']
  // --kube-version first: a test's own wins.
  const text = await helm(line, [...place, '--kube-version', '1.34.4', ...REGISTRY, ...flags])
  return parseAllDocuments(text).flatMap((document) => {
    if (document.errors.length > 0) throw document.errors[0]
    return (document.toJS() as Rendered | null) ?? []
  })
}

/** Lints strictly. */
export async function lint(line: HelmLine, ...flags: readonly string[]): Promise<string> {
  return helm(line, ['lint', '--strict', CHART, ...REGISTRY, ...flags])
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
