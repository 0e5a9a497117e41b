// `fedsam verify`: reads everything that a run's record names and compares it with the digests that name it, with the job's status
// in a cluster, and with the head that the user expects.
import type { Verification } from '#coordinator/record/verify.ts'
import { SOURCE_OPTIONS, withRecord } from '../cluster/source.ts'
import { sourceText } from '../render/lines.ts'
import { plainText } from '../render/plain.ts'
import { print } from '../render/screen.ts'
import { checkRecord, EXPECT_OPTIONS, expectedHead } from '../run/checked-record.ts'
import { type RunCommand, readArguments } from './command.ts'

/** 0: sound; 1: something does not fit, a line each. */
export const verify: RunCommand = async (args) => {
  const options = { ...SOURCE_OPTIONS, ...EXPECT_OPTIONS } as const
  const { values, positionals } = readArguments(args, options, ['SOURCE'])
  const expected = expectedHead(values['expect-head'])
  return withRecord(positionals[0]!, values, async (store, witness) =>
    tell(await checkRecord(store, 'Everything', { expected, witness })),
  )
}

function tell({ results, payloads, absent, complete, head, resumedFrom, problems }: Verification): number {
  for (const problem of problems) print(problem)
  print(
    `${results} results in the chain, ${payloads} payloads fit their digests, ${absent.length} were retired`,
  )
  if (resumedFrom !== null) print(`started from ${plainText(sourceText(resumedFrom))}`)
  if (head !== null) print(`head sha256:${head}`)
  print(`the output is ${complete ? 'complete' : 'not complete'}`)
  print(problems.length === 0 ? 'the record is sound' : `${problems.length} things do not fit`)
  return problems.length === 0 ? 0 : 1
}
