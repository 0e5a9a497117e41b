// Connects to the user's cluster with kubeconfig, context and namespace, as kubectl does. Every failed request becomes an error
// with a remedy, except NotFound, which is left to the caller. The Kubernetes client is heavy, so it is loaded at the connection: a
// command on a record in a folder does without it.
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
  const cluster = await openCluster(options)
  try {
    return await use(cluster)
  } finally {
    cluster.client.close()
  }
}

async function openCluster({ namespace, context, kubeconfig }: ClusterOptions): Promise<Cluster> {
  const connection = await connect({ ...(context ? { context } : {}), ...(kubeconfig ? { kubeconfig } : {}) })
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

async function connect(options: { readonly context?: string; readonly kubeconfig?: string }) {
  const { connectContext, NoCluster } = await import('#operator/kubernetes/client/client.ts')
  const { BrokenKubeconfig } = await import('#operator/kubernetes/client/kubeconfig.ts')
  try {
    return connectContext(options)
  } catch (cause) {
    if (cause instanceof FedsamError) throw cause
    const contexts = cause instanceof NoCluster ? cause.contexts : []
    const { message } = cause as Error
    if (cause instanceof BrokenKubeconfig) throw unconfigured(message, { contexts, cause })
    const file = options.kubeconfig || process.env.KUBECONFIG || '~/.kube/config'
    const why = cause instanceof NoCluster ? message : `cannot be used: ${message}`
    throw unconfigured(`${file}: ${why}`, { contexts, cause })
  }
}

interface Unconfigured {
  /** Contexts that the user could have chosen. */
  readonly contexts: readonly string[]
  readonly cause: unknown
}

function unconfigured(message: string, { contexts, cause }: Unconfigured): FedsamError {
  const remedy =
    contexts.length > 0
      ? `choose one with --context: ${contexts.join(', ')}`
      : "name your cluster's kubeconfig with --kubeconfig, or in KUBECONFIG"
  return new FedsamError('InvalidJob', message, { remedy, cause })
}
