// The last gate before a write leaves the process: whoever does not lead writes nothing.
import type { Call, KubernetesClient } from '#transport/kubernetes/calls.ts'

/** A write that was not made, because this process does not lead any more. */
export class NotLeading extends Error {
  override readonly name = 'NotLeading'
}

/** The same client, which writes only while `isLeader` holds. */
export function fenced(client: KubernetesClient, isLeader: () => boolean): KubernetesClient {
  const call = async <T>(asked: Call): Promise<T> => {
    if (asked.method !== 'GET' && !isLeader())
      throw new NotLeading('this operator does not lead: nothing is written')
    return client.call<T>(asked)
  }
  return { ...client, call }
}
