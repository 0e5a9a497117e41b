// Says of each site of a job whether it is connected. Nothing in the cluster shows more of a site than the coordinator's report.

import type { StoredJob } from '#operator/objects/shapes.ts'
import { trainingOf } from '#operator/reconcile/facts.ts'
import { type SiteState, siteProblem, siteStates } from '#operator/reconcile/problems/missing-sites.ts'
import { completeSpec } from '#protocol/defaults.ts'
import { listed } from '#protocol/text.ts'
import { stateOf } from '../job-view.ts'
import { type Finding, ok, problem } from './finding.ts'

const SUBJECT = 'sites'
/** Sites with a problem that are named one by one. */
const NAMED = 20

/** One finding for each site that is away, and one for those that are connected; none for a job without sites, or one that is over. */
export function judgeSites(job: StoredJob): Finding[] {
  const spec = completeSpec(job.spec)
  const { state } = stateOf(job.status)
  if (state === 'Complete' || state === 'Failed' || state === 'Suspended') return []
  const states = [...siteStates({ spec, training: trainingOf(job) })]
  const there = states.flatMap(([name, site]) => (site.kind === 'Connected' ? [named(name, site)] : []))
  const away = states.flatMap(([name, site]) => {
    const found = siteProblem(site, { spec })
    return found === undefined ? [] : [problem(SUBJECT, `${name}: ${found.says}`, found.remedy)]
  })
  const more = away.length - NAMED
  return [
    ...(there.length === 0 ? [] : [ok(SUBJECT, `connected: ${listed(there)}`)]),
    ...away.slice(0, NAMED),
    ...(more > 0 ? [problem(SUBJECT, `and ${more} more sites are not connected`, '')] : []),
  ]
}

/** The site with the version of the conversation that its agent speaks. */
function named(name: string, { version }: Extract<SiteState, { kind: 'Connected' }>): string {
  return version === undefined ? name : `${name} (version ${version})`
}
