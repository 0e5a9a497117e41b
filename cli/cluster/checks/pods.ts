// Finds the problems of a job's pods: images that cannot be pulled, devices that are not free, missing volumes, and pods that the
// API server rejects.

import type { CompleteFederatedJobSpec } from '#protocol/generated/federatedjob.ts'
import { PARTITION_LABEL } from '#protocol/labels.ts'
import type { JobFacts } from '../job-facts.ts'
import { type Finding, ok, problem, unseen } from './finding.ts'

/** One finding per pod with a problem, or one for all. */
export function judgePods({ pods, job, uncreated }: JobFacts): Finding[] {
  const { namespace } = job.metadata
  if (pods === null) return [unseen('pods', `you may not list pods in namespace ${namespace}`)]
  const refused = uncreated.map(({ job: child, partition = 'coordinator', problem: says }) =>
    problem('pods', `${partition}: ${says}`, `see: kubectl -n ${namespace} describe job ${child}`),
  )
  if (refused.length === 0 && pods.length === 0)
    return [ok('pods', 'the job has no pods: it is new, suspended or finished')]
  const found = pods.flatMap(({ pod, problem: says }) => {
    const who = pod.metadata.labels?.[PARTITION_LABEL] ?? 'coordinator'
    const { name } = pod.metadata
    return says
      ? [problem('pods', `${who}: ${says}`, `see: kubectl -n ${namespace} describe pod ${name}`)]
      : []
  })
  const problems = [...refused, ...found]
  return problems.length > 0 ? problems : [ok('pods', `${pods.length} exist, none with a problem`)]
}

/** The user's own trainer image. Only a pod shows whether a node can pull it. */
export function judgeImages({ trainer }: CompleteFederatedJobSpec): Finding[] {
  const image = trainer.type === 'Command' ? (trainer.command?.image ?? '') : ''
  if (image === '') return []
  return [
    unseen('images', `the nodes pull ${image} when a worker starts; the worker's pod reports a failure`),
  ]
}
