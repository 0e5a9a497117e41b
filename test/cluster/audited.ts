// What an account did, by the API server's own audit log, and what its roles allow: both as sets of `group/resource/subresource verb`,
// so that they can be compared.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Rule } from '../chart/helm.ts'
import type { ClusterOptions } from './cluster.ts'

const LOG = 'audit.log'

/** Every call, once it is answered or its stream begun; nothing of what was sent. */
export const AUDITED: ClusterOptions = {
  flags: { 'audit-policy-file': 'audit.yaml', 'audit-log-path': LOG },
  files: {
    'audit.yaml': JSON.stringify({
      apiVersion: 'audit.k8s.io/v1',
      kind: 'Policy',
      omitStages: ['RequestReceived'],
      rules: [{ level: 'Metadata' }],
    }),
  },
}

interface Entry {
  readonly verb: string
  readonly requestURI: string
  readonly user: { readonly username: string }
  readonly objectRef?: {
    readonly resource: string
    readonly apiGroup?: string
    readonly subresource?: string
    readonly namespace?: string
    readonly name?: string
  }
  readonly responseStatus?: { readonly code?: number }
}

/** A call that was made. */
export interface Done {
  /** group/resource/subresource verb */
  readonly what: string
  /** Empty where it was of all namespaces. */
  readonly namespace: string
  readonly uri: string
  /** HTTP status. */
  readonly status: number
}

/** Everything that a user asked of a server that was started AUDITED in this folder. */
export async function doneBy(folder: string, user: string): Promise<Done[]> {
  const lines = (await readFile(join(folder, LOG), 'utf8')).split('\n').filter((line) => line !== '')
  return lines
    .map((line) => JSON.parse(line) as Entry)
    .filter((entry) => entry.user.username === user)
    .map(({ verb, requestURI, objectRef, responseStatus }) => ({
      what: named(objectRef?.apiGroup ?? '', resourceOf(objectRef ?? { resource: requestURI }), verb),
      namespace: objectRef?.namespace ?? '',
      uri: `${verb} ${requestURI}`,
      status: responseStatus?.code ?? 0,
    }))
}

/** What rules allow; names of single objects are not looked at. */
export function allowedBy(rules: readonly Rule[]): string[] {
  return rules.flatMap(({ apiGroups, resources, verbs }) =>
    apiGroups.flatMap((group) =>
      resources.flatMap((resource) => verbs.map((verb) => named(group, resource, verb))),
    ),
  )
}

const resourceOf = ({ resource, subresource }: { resource: string; subresource?: string }): string =>
  subresource ? `${resource}/${subresource}` : resource

const named = (group: string, resource: string, verb: string): string =>
  `${group === '' ? 'core' : group}/${resource} ${verb}`
