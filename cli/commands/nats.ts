// `fedsam nats`: prints the commands that give a job its user on a NATS server in operator mode, with the subjects of its run.
// NATS separates jobs by them, but not the clients of one job: its pods share one credentials file. The gate separates both.
import type { StoredJob } from '#operator/objects/shapes.ts'
import { FedsamError } from '#protocol/errors.ts'
import { COORDINATOR } from '#protocol/identity.ts'
import { permissionsOf } from '#protocol/permissions.ts'
import { CLUSTER_OPTIONS, withCluster } from '../cluster/connect.ts'
import { findJob } from '../cluster/find-job.ts'
import { print } from '../render/screen.ts'
import { type RunCommand, readArguments } from './command.ts'

/** The account of the user in the commands, where none is named. */
const ACCOUNT = 'ACCOUNT'

/** Resolves to 0. */
export const nats: RunCommand = async (args) => {
  const options = { ...CLUSTER_OPTIONS, account: { type: 'string' } } as const
  const { values, positionals } = readArguments(args, options, ['NAME'])
  return withCluster(values, async (cluster) => {
    const job = await findJob(cluster, positionals[0]!)
    print(natsCommands(job, values.account ?? ACCOUNT).join('\n'))
    return 0
  })
}

/** One command a line. Throws FedsamError InvalidJob where the job names no Secret for the file. */
export function natsCommands({ metadata, spec }: StoredJob, account: string): string[] {
  const { name, namespace, uid } = metadata
  const secret = spec.messaging?.nats?.credentialsSecretName
  if (!secret) {
    throw new FedsamError('InvalidJob', `FederatedJob ${name} names no Secret for NATS credentials`, {
      remedy:
        'create the job with suspend: true and messaging.nats.credentialsSecretName, run this command, then set suspend: false',
    })
  }
  // What the coordinator may publish, its clients subscribe to, and the reverse: the job's user may do both.
  const { publish, subscribe } = permissionsOf({ namespace, uid }, COORDINATOR)
  const subjects = [...publish, ...subscribe].join(',')
  const user = `fedsam-${namespace}-${name}`
  return [
    '# All pods of the job share this user: NATS separates the job from others, but not its clients from each other.',
    `nsc add user --account ${account} --name ${user} --allow-pub '${subjects}' --allow-sub '${subjects}'`,
    `nsc generate creds --account ${account} --name ${user} > nats.creds`,
    `kubectl -n ${namespace} create secret generic ${secret} --from-file=nats.creds`,
  ]
}
