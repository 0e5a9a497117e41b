// Who the programs of a run are: the accounts that their pods run as, the names by which they connect to the bus, and the audience of
// their tokens. The operator renders pods by this, the programs name themselves by it, and the gate verifies tokens by it. Pure.
import { GROUP } from './api.ts'
import type { CompleteFederatedJobSpec, CompletePartitionSpec } from './generated/federatedjob.ts'
import { coordinatorName, workerName } from './names.ts'

/** A program of a run: its coordinator, or the worker of one client. */
export type Member = { readonly role: 'coordinator' } | { readonly role: 'client'; readonly client: string }

/** The coordinator of any run. */
export const COORDINATOR: Member = { role: 'coordinator' }

/** A member of one run. */
export interface RunMember {
  readonly uid: string
  readonly member: Member
}

/** The name of a member among the members of all runs: `<uid>/coordinator` or `<uid>/client/<name>`. It is its user name on the bus. */
export function memberName(uid: string, member: Member): string {
  return `${uid}/${member.role === 'client' ? `client/${member.client}` : 'coordinator'}`
}

/** A part of a member's name. It needs no escapes in subjects. */
const PART = '[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?'
const MEMBER_NAME = new RegExp(`^(${PART})/(?:coordinator|client/(${PART}))$`)

/** The member with this name; undefined for any other text. */
export function memberOf(name: string): RunMember | undefined {
  const [, uid, client] = MEMBER_NAME.exec(name) ?? []
  if (uid === undefined) return undefined
  return { uid, member: client === undefined ? COORDINATOR : { role: 'client', client } }
}

/** The audience of a member's tokens. No other member, and no other run, may use such a token. */
export function audienceOf(uid: string, member: Member): string {
  return `${GROUP}/${memberName(uid, member)}`
}

/** The ServiceAccount of the coordinator of a job with this name. */
export function coordinatorAccount(
  job: string,
  spec: { readonly coordinator: Pick<CompleteFederatedJobSpec['coordinator'], 'serviceAccountName'> },
): string {
  return spec.coordinator.serviceAccountName || coordinatorName(job)
}

/** The ServiceAccount of a partition's worker. */
export function workerAccount(
  job: string,
  partition: Pick<CompletePartitionSpec, 'name' | 'serviceAccountName'>,
): string {
  return partition.serviceAccountName || workerName(job, partition.name)
}

/** A ServiceAccount as the subject of a token. */
export function subjectOf(namespace: string, account: string): string {
  return `system:serviceaccount:${namespace}:${account}`
}
