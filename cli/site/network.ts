// `fedsam site check --network`: whether this machine reaches each federation of the site's file, and is admitted there. It connects as
// the site does, names its jobs, and sends no request. It makes no key.
import { readFile } from 'node:fs/promises'
import { natsKey } from '#protocol/nkeys.ts'
import { encodeJobList, SITE_USER } from '#protocol/sites.ts'
import { exists } from '#runtime/paths.ts'
import type { Federation, Site } from '#site/file/site.ts'
import { siteKey } from '#site/key.ts'
import { connectWebSocket } from '#transport/bus/websocket/bus.ts'
import { checked, type Finding, ok, unseen } from '../cluster/checks/finding.ts'

/** One finding for each federation, in the order of the file. */
export async function networkFindings({ key, federations }: Site): Promise<readonly Finding[]> {
  if (!(await exists(key))) return [unseen('network', 'there is no key to connect with')]
  const findings = federations.map((one) =>
    checked(`network ${one.name}`, async () => {
      await siteKey(key) // refuses a key that others may read
      return connected(one, natsKey('user', await readFile(key)).seed)
    }),
  )
  return (await Promise.all(findings)).flat()
}

async function connected({ name, bus: url, ca, proxy, jobs }: Federation, nkeySeed: string) {
  const bus = await connectWebSocket({
    url,
    name: 'site check',
    credentials: {
      user: SITE_USER,
      nkeySeed,
      password: () => encodeJobList(jobs.map(({ job }) => job)),
    },
    ...(ca === undefined ? {} : { tls: { ca: await readFile(ca, 'utf8') } }),
    ...(proxy === undefined ? {} : { proxy }),
    onError: () => {},
  })
  await bus.close()
  return ok(`network ${name}`, `${url} admits this key`)
}
