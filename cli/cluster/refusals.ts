// Converts errors of the Kubernetes API, and of the connection to it, to messages with a remedy. Pure: errors in, errors out.
import { FedsamError } from '#protocol/errors.ts'
import { ApiError } from '#transport/kubernetes/calls.ts'

/** The request that failed, and its server. */
export interface Asked {
  readonly server: string
  readonly context: string
  /** "list pods in namespace team-a" */
  readonly words: string
}

const AWAY = [
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
]

/** A FedsamError where the user can act; NotFound and unknown errors are returned unchanged. */
export function explainRefusal(error: unknown, asked: Asked): unknown {
  if (error instanceof FedsamError) return error
  if (error instanceof ApiError) return refusedByServer(error, asked)
  if (!(error instanceof Error)) return error
  const { code, syscall } = error as NodeJS.ErrnoException
  const at = `${asked.server} (context ${asked.context})`
  if (syscall?.startsWith('spawn')) {
    return new FedsamError(
      'ClusterUnreachable',
      `the kubeconfig's login program cannot run: ${error.message}`,
      {
        remedy: 'install it, or add its folder to PATH',
        cause: error,
      },
    )
  }
  if (isCertificate(code)) {
    return new FedsamError(
      'ClusterUnreachable',
      `${at} shows a certificate that is not trusted: ${error.message}`,
      {
        remedy:
          "compare the kubeconfig's server and certificate-authority with the cluster's; fetch it again",
        cause: error,
      },
    )
  }
  if (AWAY.includes(code ?? '') || error.message.startsWith('no answer within')) {
    return new FedsamError('ClusterUnreachable', `${at} cannot be reached: ${code ?? error.message}`, {
      remedy:
        'start the cluster, or the connection to it (VPN, proxy), or choose another cluster with --context',
      cause: error,
    })
  }
  return error
}

function refusedByServer(error: ApiError, { server, context, words }: Asked): Error {
  const { status, message } = error
  if (status === 401) {
    return new FedsamError('Forbidden', `${server} does not accept the credentials of context ${context}`, {
      remedy: 'log in again, or choose another context with --context',
      cause: error,
    })
  }
  if (status === 403) {
    const who = / is forbidden: (User "[^"]+")/.exec(message)?.[1] ?? 'you'
    return new FedsamError('Forbidden', `${who} may not ${words}`, {
      remedy: `ask an administrator of the cluster for a role that may ${words}`,
      cause: error,
    })
  }
  return error
}

/** OpenSSL's errors, by Node's codes. */
function isCertificate(code: string | undefined): boolean {
  return /CERT|^ERR_TLS|^ERR_SSL|UNABLE_TO_VERIFY|^EPROTO$/.test(code ?? '')
}
