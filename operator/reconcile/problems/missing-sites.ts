// Whether a site is connected, and why it does not take part. The operator has no pod of a site to look at: the coordinator's report is
// all that it knows. Pure.
import { isExternal, NO_KEY, siteKeys } from '#protocol/external.ts'
import type { CompleteFederatedJobSpec, TrainingStatus } from '#protocol/generated/federatedjob.ts'

/** What the coordinator of this job reports. */
export interface SiteFacts {
  readonly spec: CompleteFederatedJobSpec
  readonly training: TrainingStatus | undefined
}

/**
 * Connected, with the version of the conversation that its agent speaks where the coordinator says it; Away since it was last heard;
 * NeverHeard; NoKey: the job names no key of its own, so nobody can be the client.
 */
export type SiteState =
  | { readonly kind: 'Connected'; readonly version: number | undefined }
  | { readonly kind: 'NeverHeard' | 'NoKey' }
  | { readonly kind: 'Away'; readonly lastHeard: string }

/** The sites of a job by name, in its order. */
export function siteStates({ spec, training }: SiteFacts): ReadonlyMap<string, SiteState> {
  const reported = new Map(training?.clients?.sites?.map((site) => [`${site.name} ${site.publicKey}`, site]))
  const states = [...siteKeys(spec.partitions)].map(([name, key]): [string, SiteState] => {
    if (key === NO_KEY) return [name, { kind: 'NoKey' }]
    const site = reported.get(`${name} ${key}`)
    if (site?.connected) return [name, { kind: 'Connected', version: site.version }]
    if (site?.lastHeardTime === undefined) return [name, { kind: 'NeverHeard' }]
    return [name, { kind: 'Away', lastHeard: site.lastHeardTime }]
  })
  return new Map(states)
}

/** What keeps a site away, and what to do. */
export interface SiteProblem {
  readonly says: string
  readonly remedy: string
}

/** Undefined where the site is connected. */
export function siteProblem(state: SiteState, { spec }: Pick<SiteFacts, 'spec'>): SiteProblem | undefined {
  const address = spec.messaging?.nats.publicUrl || 'the bus'
  switch (state.kind) {
    case 'Connected':
      return undefined
    case 'NoKey':
      return { says: 'it names no key of its own', remedy: 'correct external.publicKey' }
    case 'NeverHeard':
      return { says: `the site has never connected to ${address}`, remedy: 'have its agent started there' }
    case 'Away':
      return {
        says: `the site was last heard at ${state.lastHeard}`,
        remedy: `see whether its agent runs and reaches ${address}`,
      }
  }
}

/** The problem in one sentence; empty where the site is connected. */
export function siteProblemText(state: SiteState, facts: Pick<SiteFacts, 'spec'>): string {
  const problem = siteProblem(state, facts)
  return problem === undefined ? '' : `${problem.says}; ${problem.remedy}`
}

/** The reasons by the names of external partitions whose sites do not take part; sites that do are absent. */
export function missingSites(facts: SiteFacts): ReadonlyMap<string, string> {
  const absent = new Map(facts.training?.clients?.absent?.map((client) => [client.name, client]))
  const missing = [...siteStates(facts)].flatMap(([name, state]): [string, string][] => {
    const client = absent.get(name)
    const said = client && [client.outcome, client.message || client.reason].filter(Boolean).join(', ')
    const problem = siteProblemText(state, facts)
    if (problem === '') return said === undefined ? [] : [[name, said]]
    return [
      [name, client === undefined || client.outcome === 'Unreachable' ? problem : `${said}; ${problem}`],
    ]
  })
  return new Map(missing)
}

/** Names of the sites that are not connected. */
export function sitesAway(facts: SiteFacts): string[] {
  const states = siteStates(facts)
  const external = facts.spec.partitions.filter(isExternal).map(({ name }) => name)
  return external.filter((name) => states.get(name)?.kind !== 'Connected')
}
