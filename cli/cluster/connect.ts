// Connects to the user's cluster with kubeconfig, context and namespace, as kubectl does. Every failed request becomes an error
// with a remedy, except NotFound, which is left to the caller.
import { connectContext, NoCluster } from '#operator/kubernetes/client/client.ts'
import { BrokenKubeconfig } from '#operator/kubernetes/client/kubeconfig.ts'
import { FedsamError } from '#protocol/errors.ts'
import { ApiError, type Call, type KubernetesClient } from '#transport/kubernetes/calls.ts'
import { pathFor, type Question, wordsFor } from './questions.ts'
import { type Asked, explainRefusal } from './refusals.ts'

/** Options of every command that needs a cluster. */
export const CLUSTER_OPTIONS = {
  namespace: { type: 'string', short: 'n' },
  context: { type: 'string' },
  kubeconfig: { type: 'string' },
} as const

export interface ClusterOptions {
  readonly namespace?: string | undefined
  readonly context?: string | undefined
  readonly kubeconfig?: string | undefined
}

export interface Cluster {
  readonly client: KubernetesClient
  readonly server: string
  readonly context: string
  readonly namespace: string
  /** The answer to a request. Throws FedsamError; ApiError where the object does not exist, and for other refusals. */
  ask<T>(question: Question): Promise<T>
  /** The same; undefined where the object does not exist. */
  find<T>(question: Question): Promise<T | undefined>
  /** Any call; `words` describe it, for example "create federatedjobs in namespace team-a". */
  call<T>(call: Call, words: string): Promise<T>
  /** Explains an error of the client. */
  explain(error: unknown, words: string): unknown
}

/** Connects, runs the action and closes. Throws FedsamError InvalidJob where no cluster is configured. */
export async function withCluster<T>(
  options: ClusterOptions,
  use: (cluster: Cluster) => Promise<T>,
): Promise<T> {
  const cluster = openCluster(options)
  try {
    return await use(cluster)
  } finally {
    cluster.client.close()
  }
}

function openCluster({ namespace, context, kubeconfig }: ClusterOptions): Cluster {
  const connection = connect({ ...(context ? { context } : {}), ...(kubeconfig ? { kubeconfig } : {}) })
  const { client, server } = connection
  const asked = (words: string): Asked => ({ server, context: connection.context, words })
  const call = async <T>(request: Call, words: string): Promise<T> => {
    try {
      return await client.call<T>(request)
    } catch (error) {
      throw explainRefusal(error, asked(words))
    }
  }
  const ask = <T>(question: Question): Promise<T> =>
    call<T>({ method: 'GET', path: pathFor(question) }, wordsFor(question))
  return {
    client,
    server,
    context: connection.context,
    namespace: namespace ?? connection.namespace,
    ask,
    call,
    find: async <T>(question: Question) =>
      ask<T>(question).catch((error: unknown) => {
        if (error instanceof ApiError && error.status === 404) return undefined
        throw error
      }),
    explain: (error, words) => explainRefusal(error, asked(words)),
  }
}

function connect(options: { readonly context?: string; readonly kubeconfig?: string }) {
  try {
    return connectContext(options)
  } catch (cause) {
    throw unconfigured(cause, options.kubeconfig)
  }
}

function unconfigured(cause: unknown, kubeconfig: string | undefined): unknown {
  if (cause instanceof FedsamError) return cause
  const file = kubeconfig || process.env.KUBECONFIG || '~/.kube/config'
  if (cause instanceof NoCluster && cause.contexts.length > 0) {
    return new FedsamError('InvalidJob', `${file}: ${cause.message}`, {
      remedy: `choose one with --context: ${cause.contexts.join(', ')}`,
      cause,
    })
  }
  const { message } = cause as Error
  const said =
    cause instanceof BrokenKubeconfig
      ? message
      : `${file}: ${cause instanceof NoCluster ? message : `cannot be used: ${message}`}`
  return new FedsamError('InvalidJob', said, {
    remedy: "name your cluster's kubeconfig with --kubeconfig, or in KUBECONFIG",
    cause,
  })
}
