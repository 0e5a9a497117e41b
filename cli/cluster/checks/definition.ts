// Checks whether the cluster serves FederatedJobs with the schema of this fedsam. Without the right to read definitions, it only
// checks that they are served.

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
const INSTALL =
  'install the chart: helm install fedsam charts/fedsam -n fedsam-system --create-namespace --set images.registry=REGISTRY'
const UPGRADE = 'upgrade the chart, or use the fedsam of its version'

/** The fields of a CustomResourceDefinition that this check reads. */
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
    return unseen(
      SUBJECT,
      `the cluster serves them; their schema was not compared with this fedsam's: ${error.message}`,
    )
  }
}

/** A schema without its descriptions, which have no effect. */
function undescribed(schema: unknown): unknown {
  const plain = JSON.stringify(schema, (key, value) =>
    key === 'description' && typeof value === 'string' ? undefined : value,
  )
  return JSON.parse(plain ?? 'null')
}

/** Compares the cluster's definition with this fedsam's; undefined where the cluster has none. */
function judgeDefinition(theirs: Definition | undefined, ours: Definition): Finding {
  if (theirs === undefined) return problem(SUBJECT, 'the cluster does not know them', INSTALL)
  const wanted = ours.spec.versions[0]!
  const served = theirs.spec.versions.filter((version) => version.served)
  const same = served.find(({ name }) => name === wanted.name)
  if (same === undefined) {
    const names = served.map(({ name }) => name).join(', ') || 'none'
    return problem(SUBJECT, `the cluster does not serve ${wanted.name}; it serves ${names}`, UPGRADE)
  }
  if (!isDeepStrictEqual(undescribed(same.schema), undescribed(wanted.schema))) {
    return problem(
      SUBJECT,
      `the cluster serves ${wanted.name} with another schema than this fedsam's`,
      UPGRADE,
    )
  }
  return ok(SUBJECT, `the cluster serves ${wanted.name} with the schema of this fedsam`)
}
