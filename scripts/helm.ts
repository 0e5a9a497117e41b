// Helm 3 and Helm 4, with which the chart is linted, rendered and installed: built once by `go install` at pinned versions and kept
// in the user's cache folder, as the servers of cli/run/servers/binaries.ts are. Nothing that a user runs needs them.
import {
  type BinaryOptions,
  ensureGoProgram,
  type GoProgram,
  hasGoProgram,
} from '#cli/run/servers/binaries.ts'

/** Helm's lines that people have; the chart is held to both. */
export const HELM_LINES = [3, 4] as const
export type HelmLine = (typeof HELM_LINES)[number]

const HELM: Readonly<Record<HelmLine, GoProgram>> = {
  3: {
    name: 'helm',
    module: 'helm.sh/helm/v3/cmd/helm',
    version: 'v3.22.0',
    variable: 'FEDSAM_HELM',
    code: 'RunFailed',
  },
  4: {
    name: 'helm',
    module: 'helm.sh/helm/v4/cmd/helm',
    version: 'v4.3.1',
    variable: 'FEDSAM_HELM4',
    code: 'RunFailed',
  },
}

/** The path of Helm: the one that FEDSAM_HELM (of line 4 FEDSAM_HELM4) names, otherwise the cached one, built first where missing. */
export async function ensureHelm(line: HelmLine = 3, options: BinaryOptions = {}): Promise<string> {
  return ensureGoProgram(HELM[line], options)
}

/** Whether the next calls of ensureHelm build nothing, for every line of Helm. */
export async function hasHelm(options: BinaryOptions = {}): Promise<boolean> {
  const found = await Promise.all(HELM_LINES.map((line) => hasGoProgram(HELM[line], options)))
  return found.every(Boolean)
}
