// The failures of a Hugging Face Hub: those that may pass, which are retried, and final refusals, each with its remedy.
// Codes: the Hub's X-Error-Code (RepoNotFound, RevisionNotFound, EntryNotFound, GatedRepo).
import { FedsamError } from '#protocol/errors.ts'
import type { Backoff } from '#runtime/backoff.ts'
import type { Environment } from '#runtime/environment.ts'
import { retry } from '#runtime/retry.ts'

/** A repository on a Hub, at a revision (branch, tag or commit). */
export interface HubRepository {
  /** Without a slash at its end, for example https://huggingface.co. */
  readonly endpoint: string
  readonly owner: string
  readonly name: string
  readonly revision: string
}

/** How to ask a Hub. */
export interface HubAccess {
  readonly token: string | undefined
  /** Tries of a request, and of a download without progress. */
  readonly attempts: number
  readonly backoff: Backoff
  /** For the proxy variables. */
  readonly env: Environment
  /** Refuses addresses without TLS, also those of redirects. */
  readonly requireTls: boolean
}

/** A failure that may pass by itself. `progress`: bytes arrived before it. */
export class Passing extends Error {
  readonly progress: boolean

  constructor(message: string, options: { cause?: unknown; progress?: boolean } = {}) {
    super(message, { cause: options.cause })
    this.progress = options.progress ?? false
  }
}

/**
 * Retries the work while each failure may pass and either made progress or leaves attempts. Throws every other failure, and
 * FedsamError StorageUnreachable after the last attempt.
 */
export function retryPassing<T>(url: string, access: HubAccess, work: () => Promise<T>): Promise<T> {
  const onFailure = (error: unknown, failures: number): 'Progress' | undefined => {
    if (!(error instanceof Passing)) throw error
    if (error.progress) return 'Progress'
    if (failures < access.attempts) return
    throw new FedsamError('StorageUnreachable', `${url} ${error.message}`, {
      remedy:
        'Check the network, HF_ENDPOINT, HTTPS_PROXY and NO_PROXY, then start again: the download resumes where it broke off.',
      cause: error,
    })
  }
  return retry(work, { backoff: access.backoff, onFailure })
}

/** Whether a 404 means a missing file and not a missing repository. The Hub names the case; a mirror may name none. */
export function isMissingFile(headers: Headers): boolean {
  return ['EntryNotFound', null].includes(headers.get('x-error-code'))
}

/** The error for a status of 400 and more, with its remedy. */
export function refusal(repository: HubRepository, status: number, headers: Headers): FedsamError {
  const { owner, name, revision, endpoint } = repository
  const where = `${owner}/${name} at ${endpoint}`
  const code = headers.get('x-error-code')
  const say = (message: string, remedy: string): FedsamError =>
    new FedsamError('CheckpointUnavailable', message, { remedy })
  if (code === 'GatedRepo' || status === 403) {
    const remedy = `Accept its terms at ${endpoint}/${owner}/${name} and set HF_TOKEN to a token that may read it.`
    return say(`access to ${where} is refused (${status})`, remedy)
  }
  if (status === 401 || code === 'RepoNotFound') {
    const remedy =
      'Check the name in checkpoint.uri; for a private repository set HF_TOKEN to a token that may read it.'
    return say(`${where} does not exist or is private (${status})`, remedy)
  }
  if (code === 'RevisionNotFound') {
    return say(`${where} has no revision ${revision}`, 'Correct the revision after @ in checkpoint.uri.')
  }
  return say(`${where} was refused (${status})`, 'Check checkpoint.uri and HF_ENDPOINT.')
}
