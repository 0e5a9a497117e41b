// The result of one check of `fedsam doctor`: ok, a problem with a remedy, or unseen from here.
import { FedsamError } from '#protocol/errors.ts'
import { ApiError } from '#transport/kubernetes/calls.ts'

export interface Finding {
  /** Unseen: the caller has no right to read it, or only a pod can check it. Not a failure. */
  readonly verdict: 'Ok' | 'Problem' | 'Unseen'
  /** The checked subject, for example "operator". */
  readonly subject: string
  /** The result as a sentence. */
  readonly says: string
  /** What to do; empty where nothing is needed. */
  readonly remedy: string
}

export function ok(subject: string, says: string): Finding {
  return { verdict: 'Ok', subject, says, remedy: '' }
}

export function problem(subject: string, says: string, remedy: string): Finding {
  return { verdict: 'Problem', subject, says, remedy }
}

export function unseen(subject: string, says: string, remedy = ''): Finding {
  return { verdict: 'Unseen', subject, says, remedy }
}

/**
 * Runs a check: an error becomes a problem, and a missing right of the caller becomes `Unseen`. Throws where the cluster itself
 * does not answer, because then no check can succeed.
 */
export async function checked(
  subject: string,
  check: () => Promise<Finding | readonly Finding[]>,
): Promise<readonly Finding[]> {
  try {
    return [await check()].flat()
  } catch (error) {
    if (error instanceof ApiError) return [problem(subject, error.message, '')]
    if (!(error instanceof FedsamError) || error.code === 'ClusterUnreachable') throw error
    const make = error.code === 'Forbidden' ? unseen : problem
    return [make(subject, error.message, error.remedy)]
  }
}
