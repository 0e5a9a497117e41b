// The users of the nats-server of one run on this machine: the coordinator and each client have a random password in a file that only
// this user may read, and the permissions of the same table as in a cluster. Other users of the machine can neither read nor send a
// message of the run.
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { staticConfig } from '#gate/server-config.ts'
import { COORDINATOR, type Member, memberName } from '#protocol/identity.ts'
import { permissionsOf } from '#protocol/permissions.ts'
import { makeFolders } from '#runtime/folders.ts'
import { writePrivate } from '#runtime/private-file.ts'
import type { CoordinatedJob } from '#transport/ports.ts'

export interface BusUsers {
  /** The server's configuration. It holds the passwords. */
  readonly config: string
  /** The file with the coordinator's password. */
  readonly coordinator: string
  /** The files with the clients' passwords, by client. */
  readonly clients: ReadonlyMap<string, string>
}

/** Bytes of a password: nobody can try 256 bits. */
const PASSWORD_BYTES = 32

/** New passwords for each run, in files below `folder`. */
export async function createBusUsers(
  folder: string,
  { namespace, uid, spec }: Pick<CoordinatedJob, 'namespace' | 'uid' | 'spec'>,
): Promise<BusUsers> {
  await makeFolders(folder)
  const create = async (member: Member, name: string) => {
    const password = randomBytes(PASSWORD_BYTES).toString('base64url')
    const file = join(folder, name)
    await writePrivate(file, password)
    const permissions = permissionsOf({ namespace, uid }, member)
    return { file, user: { user: memberName(uid, member), password, permissions } }
  }
  const coordinator = await create(COORDINATOR, 'coordinator')
  const clients = await Promise.all(
    spec.partitions.map(async ({ name }) => ({
      name,
      ...(await create({ role: 'client', client: name }, `client-${name}`)),
    })),
  )
  return {
    config: staticConfig([coordinator, ...clients].map(({ user }) => user)),
    coordinator: coordinator.file,
    clients: new Map(clients.map(({ name, file }) => [name, file])),
  }
}
