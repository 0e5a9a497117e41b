// What a client wants to write, whatever its work is: the size that its body would have, and the bound on a marker of its own. Pure.
import { PART_BYTES, type Want } from '#protocol/messages.ts'

/** Bytes of the longest receipt, which the coordinator reads into memory. Block digests of 5 GB of parameters take 350 kB. */
const RECEIPT_BYTES = 4 * 1024 * 1024

/** Why the client may not write its receipt, or its reply's marker, like this; undefined where it may. */
export function whyNotReceipt(want: Want): string | undefined {
  if (want.kind === 'Write' && want.size <= RECEIPT_BYTES) return undefined
  return `a receipt has at most ${RECEIPT_BYTES} bytes, and one part`
}

/** The least size that the payload would have with this write. */
export function sizeWanted(want: Want): number {
  if (want.kind === 'Write' || want.kind === 'Join') return want.size
  if (want.kind !== 'Part') return 0
  return want.size > PART_BYTES ? Number.POSITIVE_INFINITY : (want.number - 1) * PART_BYTES + want.size
}
