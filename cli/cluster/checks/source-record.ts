// Whether the record that a job starts from can be used, asked from here with the caller's credentials: it exists, its chain is
// sound up to the round, and the round's model is there. Whether trainer and checkpoint fit, only the coordinator finds out.
import { readSourceRound } from '#coordinator/start/source-round.ts'
import type { CompleteResumeFromSpec } from '#protocol/generated/federatedjob.ts'
import { boundedStore } from '#transport/store/bounded.ts'
import { recordAddress } from '#transport/store/s3/address.ts'
import type { S3Options } from '#transport/store/s3/client.ts'
import { openS3Store } from '#transport/store/s3/store.ts'
import { endpointHint, withHint } from '../source.ts'
import { type Finding, ok, problem } from './finding.ts'

/** `storage` is how the job's own bucket is reached. Throws RecordUnavailable, BadRecord. */
export async function checkSourceRecord(
  storage: S3Options,
  { prefix, round }: CompleteResumeFromSpec,
): Promise<Finding> {
  if (!prefix.startsWith('s3://')) {
    return problem(
      'resumeFrom',
      `spec.resumeFrom.prefix: ${prefix} is a folder, which a pod does not have`,
      'name the record as s3://bucket/prefix',
    )
  }
  const store = boundedStore(openS3Store({ ...storage, ...recordAddress(prefix) }))
  try {
    const { run } = await readSourceRound(store, round)
    return ok('resumeFrom', `${store.description} holds round ${round} of run ${run.value.name}`)
  } catch (error) {
    throw withHint(error, endpointHint(storage.endpoint))
  } finally {
    await store.close()
  }
}
