// Helm, with which the chart's tests lint and render: built once by `go install` at a pinned version and kept in the user's
// cache folder, as the servers of binaries.ts are. Nothing that a user runs needs it.
import { type BinaryOptions, ensureGoProgram, type GoProgram } from './binaries.ts'

const HELM: GoProgram = {
  name: 'helm',
  module: 'helm.sh/helm/v3/cmd/helm',
  version: 'v3.22.0',
  variable: 'FEDSAM_HELM',
  code: 'RunFailed',
}

/** The path of Helm 3: the one that FEDSAM_HELM names, otherwise the cached one, built first where it is missing. */
export async function ensureHelm(options: BinaryOptions = {}): Promise<string> {
  return ensureGoProgram(HELM, options)
}
