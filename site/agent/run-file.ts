// Reads run.json of a run, by which a site decides about the job. Guarantees that its bytes are those of the signed answer: the store
// could be another one, and the people who run it are not the coordinator.
import { sha256 } from '#protocol/digest.ts'
import { FedsamError } from '#protocol/errors.ts'
import { RUN_KEY } from '#protocol/keys.ts'
import { type RunRecord, readMarker } from '#protocol/record.ts'
import type { GrantedTransfers } from '#transport/ports.ts'
import { type AskGrants, NotWanted, refusalReason } from '#worker/network/grants.ts'

/** Bytes of run.json at most. One with a thousand files of a checkpoint has 200 kB. */
const MOST_BYTES = 1024 * 1024

/**
 * The verified run.json. Throws SiteRefused where the coordinator is too old to vouch for it, RecordDamaged where the store has other
 * bytes, and NotWanted where the coordinator gives no grant.
 */
export async function readRunFile(
  ask: AskGrants,
  transfers: Pick<GrantedTransfers, 'read'>,
): Promise<RunRecord> {
  const [granted] = await ask([{ kind: 'Read', key: RUN_KEY }])
  if (granted?.kind !== 'Grant')
    throw new NotWanted(refusalReason(granted, 'the coordinator gave no grant to read run.json'))
  const { object, grant } = granted
  if (object === undefined)
    throw new FedsamError(
      'SiteRefused',
      'the coordinator does not sign what the job is: its version is too old for sites',
      {
        remedy: "update the federation's FedSAM",
      },
    )
  if (object.size > MOST_BYTES)
    throw new FedsamError(
      'SiteRefused',
      `${RUN_KEY} has ${object.size} bytes; a site reads at most ${MOST_BYTES}`,
    )
  const bytes = await transfers.read(grant, { offset: 0, length: object.size })
  if (sha256(bytes) === object.sha256) return readMarker('run', RUN_KEY, bytes)
  throw new FedsamError(
    'RecordDamaged',
    `${RUN_KEY} does not have the bytes that the coordinator vouches for`,
  )
}
