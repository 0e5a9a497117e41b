// What no author of a job gets: pods in the operator's own namespace; pod templates and security contexts beyond
// podTemplates; for the coordinator the account that the operator makes for a worker, or the reverse. The chart's
// admission policies refuse the same at `kubectl apply`. These rules also hold for jobs that were stored before. And, what only this
// file refuses: one key for two external partitions, and a strategy that is a program. Pure.
import { isExternal, sharedKeys } from '#protocol/external.ts'
import type { CompleteFederatedJobSpec } from '#protocol/generated/federatedjob.ts'
import { coordinatorAccount, workerAccount } from '#protocol/identity.ts'
import type { WaitingReason } from '#protocol/reasons.ts'
import { listed } from '#protocol/text.ts'
import type { PodTemplates, Settings } from '../objects/settings.ts'
import type { Json, StoredJob } from '../objects/shapes.ts'
import { POD_SECURITY_SHAPE, TEMPLATE_SHAPE } from './pods/template-rules.ts'
import { NOT_ALLOWED, refusedBy } from './pods/template-shape.ts'

/** Why a job gets no pods, and what to do. */
export interface Forbidden {
  readonly waitingFor: Extract<
    WaitingReason,
    'TemplateRefused' | 'AccountRefused' | 'NamespaceRefused' | 'KeyShared' | 'ProgramRefused'
  >
  readonly message: string
}

/** A message names at most this many fields. */
const SHOWN = 3

/** The first rule that the job breaks; undefined where it breaks none. */
export function forbidden(
  { metadata }: Pick<StoredJob, 'metadata'>,
  spec: CompleteFederatedJobSpec,
  settings: Pick<Settings, 'podTemplates' | 'home'>,
): Forbidden | undefined {
  if (metadata.namespace === settings.home)
    return {
      waitingFor: 'NamespaceRefused',
      message: `Namespace ${metadata.namespace} is the operator's own, and runs no jobs; create the job in another namespace.`,
    }
  if (spec.strategy.type === 'Program')
    return {
      waitingFor: 'ProgramRefused',
      message:
        'spec.strategy.type Program is not available in a cluster in this version; run the job on one machine with fedsam run, or choose another strategy.',
    }
  const account = coordinatorAccount(metadata.name, spec)
  const shared = spec.partitions.find(
    (partition) =>
      !isExternal(partition) &&
      workerAccount(metadata.name, partition) === account &&
      // An account of the author's, with a cloud identity for both, is theirs to share.
      !(partition.serviceAccountName && spec.coordinator.serviceAccountName),
  )
  if (shared)
    return {
      waitingFor: 'AccountRefused',
      message: `spec.partitions[${shared.name}] has the coordinator's account ${account}; give one of them another serviceAccountName.`,
    }
  const [sharing] = sharedKeys(spec.partitions)
  if (sharing)
    return {
      waitingFor: 'KeyShared',
      message: `${listed(
        sharing.partitions.map(({ name }) => `spec.partitions[${name}]`),
        SHOWN,
      )} have the same external.publicKey, and a site would count twice; give each site its own key, or remove one of them.`,
    }
  const fields = refusedFields(spec, settings.podTemplates)
  if (fields.length === 0) return undefined
  const more = fields.length > SHOWN ? `; and ${fields.length - SHOWN} more` : ''
  const remedy = 'Create the job without it, or change podTemplates of the chart.'
  return {
    waitingFor: 'TemplateRefused',
    message: `${fields.slice(0, SHOWN).join('; ')}${more}. ${remedy}`,
  }
}

/** Each field of a template or a security context that is refused: its path, and why. */
export function refusedFields(
  spec: CompleteFederatedJobSpec,
  podTemplates: PodTemplates = 'Restricted',
): string[] {
  if (podTemplates === 'Any') return []
  const templates: [path: string, template: Json | undefined][] = [
    ['spec.coordinator.template', spec.coordinator.template],
    ['spec.workers.template', spec.workers.template],
    ...spec.partitions.map(({ name, workers }): [string, Json | undefined] => [
      `spec.partitions[${name}].workers.template`,
      workers?.template,
    ]),
  ]
  const given = templates.filter(([, template]) => template !== undefined)
  const inTemplates = given.flatMap(([path, template]) =>
    podTemplates === 'Off' ? [`${path} ${NOT_ALLOWED}`] : refusedBy(TEMPLATE_SHAPE, template, path),
  )
  const inContexts = spec.partitions.flatMap(({ name, securityContext }) =>
    refusedBy(POD_SECURITY_SHAPE, securityContext, `spec.partitions[${name}].securityContext`),
  )
  return [...inTemplates, ...inContexts]
}
