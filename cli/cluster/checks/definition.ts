// Whether the cluster knows FederatedJobs, and as this fedsam does. Who may not read definitions can still see that they are served.

import { readFile } from 'node:fs/promises'
import { isDeepStrictEqual } from 'node:util'
import { parse } from 'yaml'
import { GROUP, PLURAL } from '#protocol/api.ts'
import { FedsamError } from '#protocol/errors.ts'
import type { Cluster } from '../connect.ts'
import { DEFINITIONS, FEDERATED_JOBS } from '../questions.ts'
import { type Finding, ok, problem, unseen } from './finding.ts'

const SUBJECT = 'FederatedJobs'
const NAME = `${PLURAL}.${GROUP}`
const OURS = new URL('../../../crds/fedsam.dev_federatedjobs.yaml', import.meta.url)
const INSTALL = 'install the chart: helm install fedsam charts/fedsam -n fedsam-system --create-namespace'
const UPGRADE = 'upgrade the chart, or use the fedsam of its version'

/** What is read of a CustomResourceDefinition. */
export interface Definition {
  readonly spec: {
    readonly versions: readonly {
      readonly name: string
      readonly served: boolean
      readonly schema?: { readonly openAPIV3Schema?: unknown }
    }[]
  }
}

/** The definition in the cluster. */
export async function checkDefinition(cluster: Cluster): Promise<Finding> {
  const ours = parse(await readFile(OURS, 'utf8')) as Definition
  try {
    return judgeDefinition(await cluster.find<Definition>({ ...DEFINITIONS, name: NAME }), ours)
  } catch (error) {
    if (!(error instanceof FedsamError && error.code === 'Forbidden')) throw error
    const { namespace } = cluster
    const served = await cluster.find<unknown>({ ...FEDERATED_JOBS, namespace, query: { limit: '1' } })
    if (!served) return problem(SUBJECT, 'the cluster does not know them', INSTALL)
    return unseen(SUBJECT, `are served; whether as this fedsam knows them cannot be seen: ${error.message}`)
  }
}

/** A schema without its descriptions: other words change nothing. */
function undescribed(schema: unknown): unknown {
  const plain = JSON.stringify(schema, (key, value) =>
    key === 'description' && typeof value === 'string' ? undefined : value,
  )
  return JSON.parse(plain ?? 'null')
}

/** The cluster's definition beside our own; undefined where it has none. */
function judgeDefinition(theirs: Definition | undefined, ours: Definition): Finding {
  if (theirs === undefined) return problem(SUBJECT, 'the cluster does not know them', INSTALL)
  const wanted = ours.spec.versions[0]!
  const served = theirs.spec.versions.filter((version) => version.served)
  const same = served.find(({ name }) => name === wanted.name)
  if (same === undefined) {
    const names = served.map(({ name }) => name).join(', ') || 'none'
    return problem(SUBJECT, `${wanted.name} is not served; served is ${names}`, UPGRADE)
  }
  if (!isDeepStrictEqual(undescribed(same.schema), undescribed(wanted.schema))) {
    return problem(SUBJECT, `${wanted.name} is served with another schema than this fedsam's`, UPGRADE)
  }
  return ok(SUBJECT, `${wanted.name} is served, as this fedsam knows it`)
}
