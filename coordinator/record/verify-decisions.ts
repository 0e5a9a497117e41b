// Verifies the norms that decisions compute: that of each update, from the bytes of update and base; and the round's bound, from the
// job's rule and the norms before it. Payloads that retention deleted are skipped.
import type { CompleteFederatedJobSpec } from '#protocol/generated/federatedjob.ts'
import { attemptKeys } from '#protocol/keys.ts'
import type { ClosedDecision, PayloadRef, RoundResult } from '#protocol/record.ts'
import { normOf } from '../aggregation/norm.ts'
import { payloadLayout } from '../aggregation/slices.ts'
import { clipBound, clipRuleOf, newestNorms, normsOf } from '../rounds/clipping.ts'
import { payloadOf } from './marker-facts.ts'
import { readRecord } from './markers.ts'
import type { Chain, Reading } from './verify-output.ts'

/** Adds a problem for each bound and norm that does not follow from the record. `payloads`: whether to read updates. */
export async function verifyDecisions(
  about: Reading,
  { run, links }: Chain,
  payloads: boolean,
): Promise<void> {
  // The schema of the job has checked this part of run.json.
  const strategy = run?.value.spec.strategy as CompleteFederatedJobSpec['strategy'] | undefined
  const rule = clipRuleOf(strategy?.clipNorm ?? undefined)
  const rounds = links
    .filter(({ plan }) => plan?.kind !== 'Evaluate')
    .map(({ result, decision }) => ({ origin: result.value.origin, decision }))
  for (const [at, { result, plan, decision }] of links.entries()) {
    if (decision === null || plan === null) continue
    if (plan.kind !== 'Train') continue
    const { round, clipNorm, updates } = decision
    const past = newestNorms(rounds.slice(0, at)).flat()
    const bound = clipBound(rule, past, normsOf(updates))
    if (bound !== clipNorm)
      about.problems.push(
        `round ${round}: the decision clips updates to ${clipNorm}; the norms before it imply ${bound}`,
      )
    if (payloads && plan.base !== null)
      await verifyNorms(about, decision, { list: result.value.tensors, base: plan.base.payload })
  }
}

async function verifyNorms(
  { store, problems, read }: Reading,
  { round, updates }: ClosedDecision,
  { list, base }: { readonly list: RoundResult['tensors']; readonly base: PayloadRef },
): Promise<void> {
  const { size } = payloadLayout(list)
  const isThere = async (payload: PayloadRef): Promise<boolean> =>
    payload.size === size && (await store.size(payload.key)) === size
  if (!(await isThere(base))) return
  for (const { client, attempt, norm } of updates) {
    if (norm === null) continue
    const receipt = await read(readRecord(store, 'receipt', attemptKeys(round, attempt).receipt(client)))
    const update = receipt === undefined ? null : payloadOf(receipt.value)
    if (update === null || !(await isThere(update))) continue
    const measured = await read(normOf(store, list, { update, base }))
    if (measured === undefined || measured === norm) continue
    problems.push(
      `round ${round}: the update of ${client} has the norm ${measured}; the decision names ${norm}`,
    )
  }
}
