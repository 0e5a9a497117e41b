// Checks whether an operator runs that watches the namespace, and with which images.

import { OPERATOR } from '#protocol/environment.ts'
import { OPERATOR_LABELS, selectorOf } from '#protocol/labels.ts'
import type { Cluster } from '../connect.ts'
import { DEPLOYMENTS } from '../questions.ts'
import { type Finding, ok, problem } from './finding.ts'

const SUBJECT = 'operator'

/** The fields of a Deployment that this check reads. */
export interface Deployment {
  readonly metadata: { readonly name: string; readonly namespace: string }
  readonly spec: {
    readonly replicas?: number
    readonly template: {
      readonly spec: {
        readonly containers: readonly {
          readonly image?: string
          readonly env?: readonly { readonly name: string; readonly value?: string }[]
        }[]
      }
    }
  }
  readonly status?: {
    readonly readyReplicas?: number
    readonly conditions?: readonly {
      readonly type: string
      readonly status: string
      readonly message?: string
    }[]
  }
}

/** The Deployments of operators in the cluster. */
export async function checkOperator(cluster: Cluster): Promise<Finding[]> {
  return judgeOperators(await allOperators(cluster), cluster.namespace)
}

/** The operators that watch the namespace of the connection. */
export async function operatorsFor(cluster: Cluster): Promise<Deployment[]> {
  return watchingIn(await allOperators(cluster), cluster.namespace)
}

async function allOperators(cluster: Cluster): Promise<Deployment[]> {
  const query = { labelSelector: selectorOf(OPERATOR_LABELS) }
  return (await cluster.ask<{ items: Deployment[] }>({ ...DEPLOYMENTS, query })).items
}

function watchingIn(deployments: readonly Deployment[], namespace: string): Deployment[] {
  return deployments.filter((deployment) => {
    const names = variable(deployment, OPERATOR.watchNamespaces.name).split(',').filter(Boolean)
    return names.length === 0 || names.includes(namespace)
  })
}

/** The operators that watch the namespace. */
function judgeOperators(deployments: readonly Deployment[], namespace: string): Finding[] {
  const watching = watchingIn(deployments, namespace)
  if (watching.length > 0) return watching.map(judgeOperator)
  const remedy =
    deployments.length === 0
      ? 'install the chart: helm install fedsam charts/fedsam -n fedsam-system --create-namespace --set images.registry=REGISTRY'
      : `add ${namespace} to the chart's watchNamespaces, or choose another namespace with -n`
  const there = deployments.map(named).join(', ')
  const says = deployments.length === 0 ? 'no operator is installed' : `${there} does not watch ${namespace}`
  return [problem(SUBJECT, says, remedy)]
}

function judgeOperator(deployment: Deployment): Finding {
  const { spec, status } = deployment
  const [ready, wanted] = [status?.readyReplicas ?? 0, spec.replicas ?? 1]
  const says = `${named(deployment)}: ${ready} of ${wanted} ready, ${spec.template.spec.containers[0]?.image ?? ''}`
  if (ready > 0) return ok(SUBJECT, says)
  const because = status?.conditions?.find((condition) => condition.type === 'Available')?.message
  const { name, namespace } = deployment.metadata
  return problem(
    SUBJECT,
    because ? `${says}: ${because}` : says,
    `see why: kubectl -n ${namespace} describe deployment ${name}; kubectl -n ${namespace} get pods`,
  )
}

function named({ metadata }: Deployment): string {
  return `${metadata.namespace}/${metadata.name}`
}

/** The value of a variable of the Deployment's containers; empty where none has it. */
export function variable(deployment: Deployment, name: string): string {
  const variables = deployment.spec.template.spec.containers.flatMap(({ env }) => env ?? [])
  return variables.find((candidate) => candidate.name === name)?.value ?? ''
}
