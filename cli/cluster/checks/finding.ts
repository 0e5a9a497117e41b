// What a look at one thing found: ok, a problem with what to do, or that it cannot be seen from here.
import { FedsamError } from '#protocol/errors.ts'
import { ApiError } from '#transport/kubernetes/calls.ts'

export interface Finding {
  /** Unseen: the caller may not look, or only a pod can. No reason to fail. */
  readonly verdict: 'Ok' | 'Problem' | 'Unseen'
  /** What was looked at: "operator". */
  readonly subject: string
  /** What is so, as a sentence. */
  readonly says: string
  /** What to do; empty where nothing is. */
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
 * What a check finds; an error of its own is its finding, and a refusal of the caller is nothing seen. Throws where the cluster
 * itself does not answer: then nothing else can be found either.
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
