// `fedsam site check --network`: whether this machine reaches each federation of the site's file, and is admitted there. It takes the way
// step by step, to name the one that fails. Then it connects as the site does, names its jobs, and sends no request. It makes no key.
import { readFile } from 'node:fs/promises'
import { natsKey } from '#protocol/nkeys.ts'
import { exists } from '#runtime/paths.ts'
import type { Federation, Site } from '#site/file/site.ts'
import { siteKey } from '#site/key.ts'
import { checkEntry } from '#transport/entry/check.ts'
import { checked, type Finding, ok, problem, unseen } from '../cluster/checks/finding.ts'
import { connectSite, wayOf } from './connect.ts'

/** Seconds by which two clocks may differ without a remark. */
const SKEW_SECONDS = 60

/** The findings for each federation, in the order of the file. */
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

/** The step that fails; else whether the federation admits the key, and a remark on the clock. */
async function connected(federation: Federation, nkeySeed: string): Promise<readonly Finding[]> {
  const { name, bus: url, ca: file, jobs } = federation
  const subject = `network ${name}`
  const ca = file === undefined ? undefined : await readFile(file, 'utf8').catch(() => undefined)
  if (file !== undefined && ca === undefined) return [unseen(subject, `${file} cannot be read`)]
  const way = wayOf(ca, federation)
  const entry = await checkEntry({ url, ...way })
  const clock = clockFindings(`clock ${name}`, entry.secondsAhead ?? 0)
  if (entry.kind === 'Failed') {
    const { message, remedy } = entry.failure
    return [problem(subject, [...entry.passed, message].join('; '), remedy), ...clock]
  }
  const bus = await connectSite(federation, {
    name: 'site check',
    nkeySeed,
    way,
    jobs: jobs.map(({ job }) => job),
    onError: () => {},
  })
  await bus.close()
  return [ok(subject, `${url} admits this key`), ...clock]
}

/** Nothing fails for a clock: signatures are judged by the federation's. */
function clockFindings(subject: string, secondsAhead: number): readonly Finding[] {
  if (Math.abs(secondsAhead) <= SKEW_SECONDS) return []
  const [seconds, way] = [Math.abs(secondsAhead), secondsAhead > 0 ? 'ahead of' : 'behind']
  const says = `this machine's clock is ${seconds} s ${way} that of the entry; jobs run, but its logs show other times`
  return [ok(subject, says)]
}
