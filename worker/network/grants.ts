// Uses of a grant: the right to one transfer, which a worker asks its coordinator for. A transfer whose grant has expired asks
// for a new grant once.
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

/** Runs a granted transfer; asks for a new grant once where the store refuses the first one. */
export async function withGrant<T>(
  ask: AskGrants,
  want: Want,
  use: (grant: Grant) => Promise<T>,
  first?: Granted,
): Promise<T> {
  try {
    return await use(grantOf(first ?? (await ask([want]))[0]))
  } catch (error) {
    if (!(error instanceof GrantRefused)) throw error
    return use(grantOf((await ask([want]))[0]))
  }
}

/** The coordinator's reason where it refused, else `otherwise`. */
export function refusalReason(granted: Granted | undefined, otherwise: string): string {
  return granted?.kind === 'Refused' ? granted.reason : otherwise
}
