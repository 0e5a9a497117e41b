// The chart as Helm renders it, for tests: its objects, or what Helm says against the values.
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { parseAllDocuments } from 'yaml'
import { ensureHelm } from '#scripts/helm.ts'

const CHART = fileURLToPath(new URL('../../charts/fedsam', import.meta.url))

export interface Rule {
  readonly apiGroups: readonly string[]
  readonly resources: readonly string[]
  readonly verbs: readonly string[]
}

interface Security {
  readonly [field: string]: unknown
}

export interface PodSpec {
  readonly securityContext?: Security
  readonly containers: readonly {
    readonly name: string
    readonly image: string
    readonly env?: readonly { readonly name: string; readonly value?: string }[]
    readonly securityContext?: Security
  }[]
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
  // biome-ignore lint/suspicious/noExplicitAny: what a kind's spec holds is the test's own matter.
  readonly spec?: any
}

async function helm(args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(await ensureHelm(), args, { maxBuffer: 16 * 2 ** 20 })
  return stdout
}

/** Every object of the release `fedsam` in namespace `system`; `flags` are Helm's, e.g. --set a=b. Rejects with Helm's words. */
export async function render(...flags: readonly string[]): Promise<Rendered[]> {
  const place = ['template', 'fedsam', CHART, '--namespace', 'system']
  // --kube-version first: a test's own wins.
  const text = await helm([...place, '--kube-version', '1.34.4', ...flags])
  return parseAllDocuments(text).flatMap((document) => {
    if (document.errors.length > 0) throw document.errors[0]
    return (document.toJS() as Rendered | null) ?? []
  })
}

/** Lints strictly; rejects with Helm's words. */
export async function lint(...flags: readonly string[]): Promise<string> {
  return helm(['lint', '--strict', CHART, ...flags])
}

/** The pods that objects run: of a template, or the object itself. */
export function podsOf(objects: readonly Rendered[]): PodSpec[] {
  return objects.flatMap(({ kind, spec }) => (kind === 'Pod' ? [spec] : (spec?.template?.spec ?? [])))
}
