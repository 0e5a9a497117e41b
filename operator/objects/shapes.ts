// The shapes of Kubernetes objects: a FederatedJob as it is stored, and the few fields of other objects that the operator reads.
import type { FederatedJobSpec, FederatedJobStatus } from '#protocol/generated/federatedjob.ts'

export type Json = Readonly<Record<string, unknown>>

interface OwnerReference {
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
  readonly uid: string
  readonly controller?: boolean
  readonly blockOwnerDeletion?: boolean
}

export interface Metadata {
  readonly name: string
  readonly namespace: string
  readonly uid?: string
  readonly generation?: number
  readonly resourceVersion?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
  readonly ownerReferences?: readonly OwnerReference[]
  readonly creationTimestamp?: string
  readonly deletionTimestamp?: string
}

/** Any object. Its fields beside metadata have no checked shape: fields.ts reads them. */
export interface KubernetesObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: Metadata
  readonly spec?: Json
  readonly status?: Json
  readonly [field: string]: unknown
}

/** A FederatedJob as the API server stores it. */
export interface StoredJob {
  readonly metadata: Metadata & { readonly uid: string }
  readonly spec: FederatedJobSpec
  readonly status?: FederatedJobStatus
}

/** A warning event about a pod or a Job. */
export interface Warning {
  /** Pod or Job. */
  readonly kind: string
  readonly name: string
  readonly uid: string
  readonly reason: string
  readonly message: string
  /** When it was reported last, in milliseconds since 1970. */
  readonly at: number
}
