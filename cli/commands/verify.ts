// `fedsam verify`: reads everything that a run's record names and holds it against the digests that name it.
import { verifyRecord } from '#coordinator/verify.ts'
import { FedsamError } from '#protocol/errors.ts'
import { RUN_KEY } from '#protocol/keys.ts'
import type { ObjectStore } from '#transport/ports.ts'
import { SOURCE_OPTIONS, withRecord } from '../cluster/source.ts'
import { type RunCommand, readArguments } from './command.ts'

/** 0: sound; 1: something does not fit, a line each. */
export const verify: RunCommand = async (args) => {
  const { values, positionals } = readArguments(args, SOURCE_OPTIONS, ['SOURCE'])
  return withRecord(positionals[0]!, values, verifyStore)
}

async function verifyStore(store: ObjectStore): Promise<number> {
  if ((await store.size(RUN_KEY)) === undefined) {
    throw new FedsamError('InvalidJob', `${store.description} holds no run`, {
      remedy: 'name the output folder of a run, its s3://bucket/prefix, or fj/NAME of a cluster',
    })
  }
  const { results, payloads, absent, complete, problems } = await verifyRecord(store)
  const say = (line: string): void => void process.stdout.write(`${line}\n`)
  for (const problem of problems) say(problem)
  say(
    `${results} results in the chain, ${payloads} payloads fit their digests, ${absent.length} were retired`,
  )
  say(`the output is ${complete ? 'complete' : 'not complete'}`)
  say(problems.length === 0 ? 'the record is sound' : `${problems.length} things do not fit`)
  return problems.length === 0 ? 0 : 1
}
