// The fence: the last gate before a write leaves the process. A process that does not lead writes nothing.
//
//   replica A   leads ──────────── sleeps (paged out, SIGSTOP) ─────────────── wakes up ── write ─╳ fence: NotLeading
//   lease       held by A ─────────────────── expires ── held by B ───────────────────────────────────────────────────
//   replica B   waits ─────────────────────────────────── leads, writes ──────────────────────────────────────────────
//
// The elector ends the process of A, but only when its timer fires. A pass that was under way writes before that; so
// each write asks `isLeader` again, which compares clocks and needs no timer and no call. It asks when the call has its
// connection, because a call may wait for the rate, for a retry or for a connection. A's time ends at renewSeconds, B
// begins at durationSeconds, which is larger: at no moment do both pass the fence. A write that has already left the
// process is not held back. A create of A fails where B created the object, its status fails where B
// changed it, and every other write names the uid that A observed.
import type { Call, KubernetesClient } from '#transport/kubernetes/calls.ts'

/** The fence held back a write, because this process does not lead any more. */
export class NotLeading extends Error {
  override readonly name = 'NotLeading'
}

/** The same client; its writes fail with NotLeading while `isLeader` is false. */
export function fenced(client: KubernetesClient, isLeader: () => boolean): KubernetesClient {
  const call = async <T>(asked: Call): Promise<T> => {
    if (asked.method === 'GET') return client.call<T>(asked)
    const beforeSend = (): void => {
      if (isLeader()) return
      throw new NotLeading(`${asked.method} ${asked.path} was not sent: this operator no longer leads`)
    }
    beforeSend()
    return client.call<T>({ ...asked, beforeSend })
  }
  return { ...client, call }
}
