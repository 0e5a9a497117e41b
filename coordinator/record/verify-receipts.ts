// Verifies who made each update and evaluation that counts: the receipt has the signature of a key that the record pinned for its
// client. So a coordinator cannot have invented, swapped or reweighted an update of a client whose keys are known. Attempts that an
// older version planned have receipts without signatures, and are left out.
import { plannedKeys } from '#protocol/external.ts'
import { attemptKeys } from '#protocol/keys.ts'
import type { ReceiptSigner } from '#protocol/receipt-signature.ts'
import type { StoreReader } from '#transport/ports.ts'
import { pinnedKeys } from './client-keys.ts'
import { readReceipt, type SignedReceipt } from './markers.ts'
import type { Chain } from './verify-output.ts'
import type { Link } from './verify-round.ts'

interface ReceiptFindings {
  readonly store: StoreReader
  readonly problems: string[]
  /** Awaits a reading; damage becomes a problem, and undefined is returned. */
  readonly read: <T>(reading: Promise<T>) => Promise<T | undefined>
}

/** Adds a problem for each receipt that counts and lacks its client's signature. */
export async function verifyReceipts(findings: ReceiptFindings, { run, links }: Chain): Promise<void> {
  if (run === undefined) return
  const keysOf = pinnedIn(findings)
  for (const link of links) {
    if (link.plan?.receipts !== 'Signed') continue
    const sites = plannedKeys(link.plan)
    for (const { client, receipt, attempts } of countedReceipts(link)) {
      const found = await find(findings, {
        client,
        receipt,
        uid: run.value.uid,
        round: link.plan.round,
        attempts,
      })
      // A receipt that is missing is a problem already.
      if (found === undefined) continue
      const fault = signerFault(found.signer, await keysOf(client), sites.get(client))
      if (fault !== undefined)
        findings.problems.push(
          `round ${link.plan.round}: ${fault} of ${client} signed its receipt that counts`,
        )
    }
  }
}

/** Reads the keys that the record pinned for a client, once for each. */
export function pinnedIn({
  store,
  read,
}: Pick<ReceiptFindings, 'store' | 'read'>): (client: string) => Promise<ReadonlySet<string>> {
  const keys = new Map<string, ReadonlySet<string>>()
  return async (client) => {
    const known = keys.get(client)
    if (known !== undefined) return known
    const pinned = (await read(pinnedKeys(store, client))) ?? []
    const own = new Set(pinned.flatMap((one) => (one.client === client ? [one.key] : [])))
    keys.set(client, own)
    return own
  }
}

/** Who did not sign the receipt; undefined where the client did. `planned`: the one key that counts for a site. */
function signerFault(
  signer: ReceiptSigner,
  pinned: ReadonlySet<string>,
  planned: string | undefined,
): string | undefined {
  if (signer.kind !== 'Signed' || !pinned.has(signer.key)) return 'no key'
  return (planned ?? signer.key) === signer.key ? undefined : 'another key than the one that the plan names'
}

interface Counted {
  readonly client: string
  /** The receipt's digest. */
  readonly receipt: string
  /** The attempts that may have it. */
  readonly attempts: readonly number[]
}

/** The receipts that a round's decision names, each once. */
function countedReceipts({ plan, decision }: Link): Counted[] {
  if (plan === null || decision === null) return []
  const updates = decision.updates.map(({ client, receipt, attempt }) => ({
    client,
    receipt,
    attempts: [attempt],
  }))
  const named = new Set(updates.map(({ receipt }) => receipt))
  const all = Array.from({ length: Math.min(plan.attempt, MOST_ATTEMPTS) }, (_, at) => plan.attempt - at)
  const evaluations = decision.evaluations
    .filter(({ receipt }) => !named.has(receipt))
    .map(({ client, receipt }) => ({ client, receipt, attempts: all }))
  for (const { receipt } of evaluations) named.add(receipt)
  const states = (decision.states ?? [])
    .filter(({ receipt }) => !named.has(receipt))
    .map(({ client, receipt, attempt }) => ({ client, receipt, attempts: [attempt] }))
  return [...updates, ...evaluations, ...states]
}

/** Attempts of a round that are searched for a receipt. */
const MOST_ATTEMPTS = 10_000

async function find(
  { store, read }: ReceiptFindings,
  { client, receipt, uid, round, attempts }: Counted & { readonly uid: string; readonly round: number },
): Promise<SignedReceipt | undefined> {
  for (const attempt of attempts) {
    const found = await read(readReceipt(store, attemptKeys(round, attempt).receipt(client), uid))
    if (found?.digest === receipt) return found
  }
  return undefined
}
