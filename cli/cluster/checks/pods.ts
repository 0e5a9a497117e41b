// What is wrong with a job's pods: images that cannot be pulled, devices that are not free, volumes that are missing, and pods that
// the API server does not accept.

import type { CompleteFederatedJobSpec } from '#protocol/generated/federatedjob.ts'
import { PARTITION_LABEL } from '#protocol/labels.ts'
import type { JobFacts } from '../job-facts.ts'
import { type Finding, ok, problem, unseen } from './finding.ts'

/** A finding per pod with a problem, or one for all. */
export function judgePods({ pods, job, uncreated }: JobFacts): Finding[] {
  const { namespace } = job.metadata
  if (pods === null) return [unseen('pods', `you may not list pods in namespace ${namespace}`)]
  const refused = uncreated.map(({ job: child, partition = 'coordinator', problem: says }) =>
    problem('pods', `${partition}: ${says}`, `see: kubectl -n ${namespace} describe job ${child}`),
  )
  if (refused.length === 0 && pods.length === 0)
    return [ok('pods', 'the job has no pods: it is new, suspended or over')]
  const found = pods.flatMap(({ pod, problem: says }) => {
    const who = pod.metadata.labels?.[PARTITION_LABEL] ?? 'coordinator'
    const { name } = pod.metadata
    return says
      ? [problem('pods', `${who}: ${says}`, `see: kubectl -n ${namespace} describe pod ${name}`)]
      : []
  })
  const problems = [...refused, ...found]
  return problems.length > 0 ? problems : [ok('pods', `${pods.length} are there, none with a problem`)]
}

/** The image of the user's own, where there is one; whether a node can pull it, only a pod shows. */
export function judgeImages({ trainer }: CompleteFederatedJobSpec): Finding[] {
  const image = trainer.type === 'Command' ? (trainer.command?.image ?? '') : ''
  if (image === '') return []
  return [unseen('images', `${image} is pulled by the nodes when a worker starts; its pod says if it cannot`)]
}
