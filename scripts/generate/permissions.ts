// The tables of permissions and of refusals in docs/programs.md, from the code that grants and refuses.
import { REFUSALS } from '#gate/authenticators/authenticator.ts'
import { COORDINATOR, type Member } from '#protocol/identity.ts'
import { type Permissions, permissionsOf, sitePermissions } from '#protocol/permissions.ts'
import { fillMarked } from './marked.ts'

/** Stand-ins for names, and how the page writes them. */
const NAMES = { NAMESPACE: '<namespace>', UID: '<uid>', CLIENT: 'C', KEY: '<key>' } as const
const PLACE = { namespace: 'NAMESPACE', uid: 'UID' }
const CLIENT: Member = { role: 'client', client: 'CLIENT' }
const ROLES: readonly (readonly [string, Permissions])[] = [
  ['coordinator', permissionsOf(PLACE, COORDINATOR)],
  ['worker of client C', permissionsOf(PLACE, CLIENT)],
  [
    'site that is client C, for each of its jobs',
    sitePermissions('KEY', [{ place: PLACE, client: 'CLIENT' }]),
  ],
]

export function emitPermissions(page: string): string {
  return fillMarked(page, 'protocol/permissions.ts', permissions())
}

export function emitRefusals(page: string): string {
  const rows = Object.entries(REFUSALS).map(([reason, says]) => `| \`${reason}\` | ${says} |`)
  const table = ['| reason | why |', '| --- | --- |', ...rows, ''].join('\n')
  return fillMarked(page, 'gate/authenticators/authenticator.ts', table)
}

function permissions(): string {
  const code = (subject: string): string =>
    `\`${subject.replace(/NAMESPACE|UID|CLIENT|KEY/g, (name) => NAMES[name as keyof typeof NAMES])}\``
  const rows = ROLES.map(([role, { publish, subscribe }]) => {
    return `| ${role} | ${publish.map(code).join(', ')} | ${subscribe.map(code).join(', ')} |`
  })
  return ['| role | publish | subscribe |', '| --- | --- | --- |', ...rows, ''].join('\n')
}
