// `fedsam verify`: reads every file that a run's record names and compares it with its digest, with the job's status in a
// cluster, and with the head that the user expects.
import type { Verification } from '#coordinator/record/verify.ts'
import { counted, listed as listedText } from '#protocol/text.ts'
import { SOURCE_OPTIONS, withRecord } from '../cluster/source.ts'
import { sourceText } from '../render/lines.ts'
import { plainText } from '../render/plain.ts'
import { print } from '../render/screen.ts'
import { ANCHOR_OPTIONS, type Anchors, checkRecord, readAnchors, remediesFor } from '../run/checked-record.ts'
import { type RunCommand, readArguments } from './command.ts'

/** Resolves to 0 for a sound record, to 1 with one line per fault. */
export const verify: RunCommand = async (args) => {
  const options = { ...SOURCE_OPTIONS, ...ANCHOR_OPTIONS } as const
  const { values, positionals } = readArguments(args, options, ['SOURCE'])
  const anchors = await readAnchors(values)
  return withRecord(positionals[0]!, values, async (store, reported) =>
    report(await checkRecord(store, { anchors, reported }), anchors),
  )
}

function report(found: Verification, { trust }: Anchors): number {
  const {
    signed,
    remarks,
    results,
    exchanges,
    payloads,
    refolded,
    absent,
    complete,
    listed,
    head,
    resumedFrom,
    problems,
  } = found
  for (const problem of problems) print(problem)
  for (const remark of remarks) print(`remark: ${remark}`)
  print(
    `${results} results in the chain, ${payloads} payloads have the recorded digest, ${absent.length} were deleted by retention`,
  )
  print(
    exchanges === null
      ? `the updates of ${counted(refolded, 'round')} were folded again`
      : `a Program run of ${counted(exchanges, 'exchange')}: what its program computed was not computed again`,
  )
  if (resumedFrom !== null) print(`started from ${plainText(sourceText(resumedFrom))}`)
  if (head !== null) print(`head sha256:${head}`)
  print(`the output is ${complete ? 'complete' : 'not complete'}`)
  if (complete) print(signatureText(signed, trust.length > 0))
  if (!listed)
    print(
      'the store does not permit listing, so files that do not belong to the output were not searched for',
    )
  if (problems.length === 0) print('the record is sound')
  for (const remedy of remediesFor(found)) print(remedy)
  return problems.length === 0 ? 0 : 1
}

/** Which coordinators signed the output, and whether somebody vouches for one of them. */
function signatureText(signed: readonly number[], isTrusted: boolean): string {
  if (signed.length === 0) return 'the output has no signature'
  const by = `the output is signed by the coordinator of epoch ${listedText(signed)}`
  return isTrusted ? by : `${by}; --trust KEY verifies who certified it`
}
