// Checks whether the Secrets, ConfigMaps, claims and accounts that a job names exist. It keeps nothing of their contents.
import type { CompleteFederatedJobSpec } from '#protocol/generated/federatedjob.ts'
import type { Cluster } from '../connect.ts'
import { checked, type Finding, ok, problem } from './finding.ts'

const SUBJECT = 'named objects'
const PLURALS = {
  Secret: 'secrets',
  ConfigMap: 'configmaps',
  PersistentVolumeClaim: 'persistentvolumeclaims',
  ServiceAccount: 'serviceaccounts',
} as const

/** An object, with the field of the job that names it. */
export interface NamedObject {
  readonly kind: keyof typeof PLURALS
  readonly name: string
  readonly field: string
}

/** One finding per object that is missing or unreadable, and one for all that exist. */
export async function checkNamedObjects(
  cluster: Cluster,
  namespace: string,
  spec: CompleteFederatedJobSpec,
): Promise<Finding[]> {
  const objects = namedObjects(spec)
  if (objects.length === 0) return [ok(SUBJECT, 'the job names no Secret, ConfigMap, claim or account')]
  const findings = await Promise.all(objects.map((object) => lookFor(cluster, namespace, object)))
  const there = objects.filter((_, i) => findings[i]!.length === 0).map(({ kind, name }) => `${kind} ${name}`)
  return [...(there.length > 0 ? [ok(SUBJECT, `${there.join(', ')}: there`)] : []), ...findings.flat()]
}

function lookFor(
  cluster: Cluster,
  namespace: string,
  { kind, name, field }: NamedObject,
): Promise<readonly Finding[]> {
  return checked(SUBJECT, async () => {
    const found = await cluster.find<unknown>({ group: 'api/v1', plural: PLURALS[kind], namespace, name })
    const says = `${kind} ${name}, which ${field} names, does not exist in namespace ${namespace}`
    return found ? [] : [problem(SUBJECT, says, `create it, or correct ${field}`)]
  })
}

/** The objects that a job names, each once, in the order of the spec. */
function namedObjects(spec: CompleteFederatedJobSpec): NamedObject[] {
  const { storage, messaging, trainer, coordinator, partitions } = spec
  const s3 = storage?.s3
  const nats = messaging?.nats
  const all: NamedObject[] = [
    named('Secret', s3?.credentialsSecretName, 'storage.s3.credentialsSecretName'),
    named('ConfigMap', s3?.caBundleConfigMapName, 'storage.s3.caBundleConfigMapName'),
    named('Secret', nats?.credentialsSecretName, 'messaging.nats.credentialsSecretName'),
    named('Secret', nats?.tlsSecretName, 'messaging.nats.tlsSecretName'),
    named(
      'Secret',
      trainer.segmentAnything?.checkpoint.credentialsSecretName,
      'trainer.segmentAnything.checkpoint.credentialsSecretName',
    ),
    ...(trainer.command?.env ?? []).flatMap(environmentObjects),
    named('ServiceAccount', coordinator.serviceAccountName, 'coordinator.serviceAccountName'),
    ...partitions.flatMap(({ source, serviceAccountName }, i) => [
      named(
        'PersistentVolumeClaim',
        source?.persistentVolumeClaim?.claimName,
        `partitions[${i}].source.persistentVolumeClaim.claimName`,
      ),
      named('Secret', source?.s3?.credentialsSecretName, `partitions[${i}].source.s3.credentialsSecretName`),
      named('ServiceAccount', serviceAccountName, `partitions[${i}].serviceAccountName`),
    ]),
  ].flat()
  const key = ({ kind, name }: NamedObject): string => `${kind}/${name}`
  return all.filter((object, i) => all.findIndex((other) => key(other) === key(object)) === i)
}

function named(kind: NamedObject['kind'], name: string | undefined, field: string): NamedObject[] {
  return name ? [{ kind, name, field: `spec.${field}` }] : []
}

function environmentObjects({ name, valueFrom }: { name: string; valueFrom?: unknown }): NamedObject[] {
  const from = (valueFrom ?? {}) as Readonly<Record<string, { readonly name?: string } | undefined>>
  const field = `trainer.command.env ${name}`
  return [
    ...named('Secret', from.secretKeyRef?.name, field),
    ...named('ConfigMap', from.configMapKeyRef?.name, field),
  ]
}
