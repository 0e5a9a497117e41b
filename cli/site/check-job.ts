// What a site would decide about a job file: the same decision as about the offer of a coordinator (site/policy/decide-job.ts).
import { FedsamError } from '#protocol/errors.ts'
import type { Site } from '#site/file/site.ts'
import { decideJob } from '#site/policy/decide-job.ts'
import { offerOf, readOffer } from '#site/policy/offer.ts'
import { type Finding, ok, problem } from '../cluster/checks/finding.ts'
import { type LoadedJob, loadJob } from '../job/load.ts'

/** A job file, and the partition that the site would be. */
export interface AskedJob {
  readonly file: string
  readonly client: string
}

/** Whether the site takes part; where the job file itself is wrong, a finding for each of its mistakes. */
export async function jobFindings(site: Site, { file, client }: AskedJob): Promise<readonly Finding[]> {
  try {
    return [judged(site, await loadJob(file), { file, client })]
  } catch (error) {
    if (!(error instanceof FedsamError) || error.code !== 'InvalidJob') throw error
    return error.message.split('\n').map((line) => problem('job', line, error.remedy))
  }
}

function judged(site: Site, { name, namespace, spec }: LoadedJob, { file, client }: AskedJob): Finding {
  const subject = `job ${namespace}/${name}`
  if (!spec.partitions.some((partition) => partition.name === client))
    return problem(subject, `has no partition ${client}`, `name one of ${file} with --client`)
  const offer = readOffer(offerOf({ namespace, name }, client, spec))
  if (offer === undefined)
    return problem(
      subject,
      'has values that a site cannot use',
      'compare it with docs/reference/federatedjob.md',
    )
  const federations = site.federations.filter(({ jobs }) =>
    jobs.some(({ job }) => job.namespace === namespace && job.name === name),
  )
  const [federation = site.federations[0]] = federations
  if (federation === undefined) return problem(subject, 'no federation is listed', `add one to ${site.file}`)
  const decision = decideJob(site, federation, offer)
  if (decision.kind === 'Refused')
    return problem(
      subject,
      `the site refuses: ${decision.reason}`,
      `${site.file}:${decision.line} decides; change it, or the job`,
    )
  const { dataset, trainer } = decision.listed
  return ok(
    subject,
    `the site takes part as ${client}, with the data set ${dataset} and the trainer ${trainer}`,
  )
}
