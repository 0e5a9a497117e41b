// The FederatedJob in the Kubernetes API: its group, version, kind and plural, and who owns which of its fields.

export const GROUP = 'fedsam.dev'
export const API_VERSION = `${GROUP}/v1alpha1`
export const KIND = 'FederatedJob'
export const PLURAL = 'federatedjobs'

/** The path of all FederatedJobs of a namespace. */
export function jobsPath(namespace: string): string {
  return `/apis/${API_VERSION}/namespaces/${namespace}/${PLURAL}`
}

/** A FederatedJob as other objects refer to it. */
export const REFERENCE = { apiVersion: API_VERSION, kind: KIND } as const

/** The operator, where Kubernetes asks for a name: its field manager, its Lease, the label of what it manages. */
export const OPERATOR_NAME = 'fedsam-operator'
/** The coordinator's field manager. It owns `status.training`, and the operator the rest of the status. */
export const COORDINATOR_NAME = 'fedsam-coordinator'

/** The content type of a server-side apply; JSON is YAML. */
export const APPLY_TYPE = 'application/apply-patch+yaml'

/** The query of a server-side apply by this field manager: it takes over fields that another one has. */
export function applyQuery(fieldManager: string): string {
  return `?fieldManager=${fieldManager}&force=true`
}
