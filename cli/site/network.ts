// `fedsam site check --network`: whether this machine reaches each federation of the site's file, and is admitted there. It takes the way
// step by step, to name the one that fails. Then it connects as the site does, and tries the store with a grant (probe.ts). It makes no key.
import { readFile } from 'node:fs/promises'
import { natsKey } from '#protocol/nkeys.ts'
import type { SigningKey } from '#protocol/signatures.ts'
import { exists } from '#runtime/paths.ts'
import type { Federation, Site } from '#site/file/site.ts'
import { siteKey } from '#site/key.ts'
import { checkEntry } from '#transport/entry/check.ts'
import type { MessageBus } from '#transport/ports.ts'
import { checked, type Finding, ok, problem, unseen } from '../cluster/checks/finding.ts'
import { connectSite, wayOf } from './connect.ts'
import { probeFindings } from './probe.ts'

/** Seconds by which two clocks may differ without a remark. */
const SKEW_SECONDS = 60

/** The findings for each federation, in the order of the file. */
export async function networkFindings({ key, federations }: Site): Promise<readonly Finding[]> {
  if (!(await exists(key))) return [unseen('network', 'there is no key to connect with')]
  const findings = federations.map((one) =>
    checked(`network ${one.name}`, async () => {
      const own = await siteKey(key) // refuses a key that others may read
      return connected(one, own, natsKey('user', await readFile(key)).seed)
    }),
  )
  return (await Promise.all(findings)).flat()
}

/** Each step up to the one that fails; then whether the federation admits the key, the store, and the clock. */
async function connected(
  federation: Federation,
  key: SigningKey,
  nkeySeed: string,
): Promise<readonly Finding[]> {
  const { name, bus: url, ca: file, jobs } = federation
  const subject = `network ${name}`
  const ca = file === undefined ? undefined : await readFile(file, 'utf8').catch(() => undefined)
  if (file !== undefined && ca === undefined) return [unseen(subject, `${file} cannot be read`)]
  const way = wayOf(ca, federation)
  const entry = await checkEntry({ url, ...way })
  const clock = clockFindings(`clock ${name}`, entry.secondsAhead)
  const steps = entry.passed.map((says) => ok(subject, says))
  if (entry.kind === 'Failed') {
    const { message, remedy } = entry.failure
    return [...steps, problem(subject, message, remedy), ...clock]
  }
  const opened: { bus?: MessageBus } = {}
  const admitted = await checked(subject, async () => {
    const names = jobs.map(({ job }) => job)
    const silent = { name: 'site check', onError: () => {} }
    opened.bus = await connectSite(federation, { nkeySeed, way, jobs: names, ...silent })
    return ok(subject, `${url} admits this key`)
  })
  try {
    return [...steps, ...admitted, ...(await probeFindings({ ...opened, federation, key, way })), ...clock]
  } finally {
    await opened.bus?.close()
  }
}

/** Nothing fails for a clock: signatures are judged by the federation's. */
function clockFindings(subject: string, secondsAhead: number | undefined): readonly Finding[] {
  if (secondsAhead === undefined) return [unseen(subject, 'the entry says no time')]
  if (Math.abs(secondsAhead) <= SKEW_SECONDS)
    return [ok(subject, `this machine's clock is within ${SKEW_SECONDS} s of that of the entry`)]
  const [seconds, way] = [Math.abs(secondsAhead), secondsAhead > 0 ? 'ahead of' : 'behind']
  const says = `this machine's clock is ${seconds} s ${way} that of the entry; jobs run, but its logs show other times`
  return [ok(subject, says)]
}
