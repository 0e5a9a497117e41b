// Uses of a grant: the right to one transfer, which a worker asks its coordinator for. A transfer whose grant has expired asks
// for a new grant once, and once more each time that it got further.
import type { Granted, Want } from '#protocol/messages.ts'
import { type Grant, GrantRefused } from '#transport/ports.ts'

/** Asks the coordinator for grants; the answers have the order of the wants. Throws NotWanted when no coordinator answers. */
export type AskGrants = (wants: readonly Want[]) => Promise<readonly Granted[]>

/** The coordinator no longer wants this work, because its attempt is closed: drop the work. */
export class NotWanted extends Error {
  override readonly name = 'NotWanted'
}

function grantOf(granted: Granted | undefined): Grant {
  if (granted?.kind === 'Grant') return granted.grant
  throw new NotWanted(refusalReason(granted, 'the coordinator gave no grant'))
}

/**
 * Runs a granted transfer; asks for a new grant where the store refuses the one before. Throws the second refusal in a row: on a slow
 * line a download takes longer than several grants are valid, and each of them carries it further.
 */
export async function withGrant<T>(
  ask: AskGrants,
  want: Want,
  use: (grant: Grant) => Promise<T>,
  first?: Granted,
): Promise<T> {
  let granted = first
  for (let refusals = 0; ; granted = undefined) {
    try {
      return await use(grantOf(granted ?? (await ask([want]))[0]))
    } catch (error) {
      if (!(error instanceof GrantRefused)) throw error
      refusals = error.progressed ? 1 : refusals + 1
      if (refusals > 1) throw error
    }
  }
}

/** The coordinator's reason where it refused, else `otherwise`. */
export function refusalReason(granted: Granted | undefined, otherwise: string): string {
  return granted?.kind === 'Refused' ? granted.reason : otherwise
}
