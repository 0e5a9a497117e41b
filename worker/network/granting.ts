// How a worker asks its coordinator for rights to single transfers, and uses them: a grant that expired is asked for once more.
import type { Granted, Want } from '#protocol/messages.ts'
import { type Grant, GrantRefused } from '#transport/ports.ts'

/** Asks the coordinator for grants, in the order of the wants. Throws NotWanted when it cannot be reached. */
export type AskGrants = (wants: readonly Want[]) => Promise<readonly Granted[]>

/** The closed attempt does not want this any more: drop the work. */
export class NotWanted extends Error {
  override readonly name = 'NotWanted'
}

function grantOf(granted: Granted | undefined): Grant {
  if (granted?.kind === 'Grant') return granted.grant
  throw new NotWanted(whyNot(granted, 'no grant came'))
}

/** Runs a granted transfer; a grant that does not hold (any more) is asked for once more. */
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

/** The coordinator's reason where it refused. */
export function whyNot(granted: Granted | undefined, otherwise: string): string {
  return granted?.kind === 'Refused' ? granted.reason : otherwise
}
