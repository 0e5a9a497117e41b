// The subjects that each role of a run may use on the bus. The gate grants them, `fedsam run --processes` writes them into the
// configuration of its server, `fedsam nats` prints them, and docs/programs.md shows them: all from this one table. Pure.
import type { Member } from './identity.ts'
import { clientInbox, clientSubject, subjectPrefix } from './messages.ts'
import { siteInbox, USER_INFO_SUBJECT } from './sites.ts'

/** Subjects and patterns. What is not in a list is not allowed. */
export interface Permissions {
  readonly publish: readonly string[]
  readonly subscribe: readonly string[]
}

/** A run as its subjects name it. */
export interface RunPlace {
  readonly namespace: string
  readonly uid: string
}

/** A name that is exactly one token of a subject. A wildcard in it would grant the subjects of others. */
const TOKEN = /^[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?$/

/** What a member of a run may publish and subscribe to. Throws RangeError for a name that is not one token. */
export function permissionsOf({ namespace, uid }: RunPlace, member: Member): Permissions {
  const names = [namespace, uid, ...(member.role === 'client' ? [member.client] : [])]
  const wrong = names.find((name) => !TOKEN.test(name))
  if (wrong !== undefined) throw new RangeError(`${JSON.stringify(wrong.slice(0, 80))} is not one token`)
  const prefix = subjectPrefix(namespace, uid)
  if (member.role === 'coordinator')
    return { publish: [`${clientInbox(prefix, '*')}.>`], subscribe: [clientSubject(prefix, '*')] }
  const { client } = member
  return { publish: [clientSubject(prefix, client)], subscribe: [`${clientInbox(prefix, client)}.>`] }
}

/** What a site may use: the subjects of its clients, and a question to the server about its own permissions. Throws RangeError as above. */
export function sitePermissions(
  publicKey: string,
  clients: readonly { readonly place: RunPlace; readonly client: string }[],
): Permissions {
  const each = clients.map(({ place, client }) => permissionsOf(place, { role: 'client', client }))
  return {
    publish: [USER_INFO_SUBJECT, ...each.flatMap(({ publish }) => publish)],
    subscribe: [`${siteInbox(publicKey)}.>`, ...each.flatMap(({ subscribe }) => subscribe)],
  }
}
