// Where a pod finds its store, its bus and its checkpoint: environment, volumes and mounts from the spec. Secrets are mounted by
// name, or become variables by envFrom; the operator reads none.
import type { CompleteFederatedJobSpec } from '#protocol/generated/federatedjob.ts'
import { runPrefix } from '#protocol/names.ts'
import type { Json, StoredJob } from '../../objects/shapes.ts'

export interface Parts {
  readonly env: readonly Json[]
  readonly envFrom: readonly Json[]
  readonly volumes: readonly Json[]
  readonly mounts: readonly Json[]
}

export const NO_PARTS: Parts = { env: [], envFrom: [], volumes: [], mounts: [] }

/** Variables as a container's env; those without a value are left out. */
export function variables(values: Readonly<Record<string, string | undefined>>): Json[] {
  return Object.entries(values).flatMap(([name, value]) => (value === undefined ? [] : [{ name, value }]))
}

/** Parts together, in their order. */
export function join(...all: readonly Parts[]): Parts {
  return {
    env: all.flatMap(({ env }) => env),
    envFrom: all.flatMap(({ envFrom }) => envFrom),
    volumes: all.flatMap(({ volumes }) => volumes),
    mounts: all.flatMap(({ mounts }) => mounts),
  }
}

/** NATS for either role: the URL, a credentials file nats.creds, TLS files. */
export function natsParts({ messaging }: CompleteFederatedJobSpec): Parts {
  if (!messaging) return NO_PARTS
  const { url, credentialsSecretName, tlsSecretName } = messaging.nats
  // A Secret may hold ca.crt alone; who needs mutual TLS has all three: files that are not there are not asked for.
  const tls = { FEDSAM_NATS_CA: 'ca.crt', FEDSAM_NATS_CERT: 'tls.crt', FEDSAM_NATS_KEY: 'tls.key' }
  return join(
    { ...NO_PARTS, env: variables({ FEDSAM_NATS_URL: url }) },
    mounted('nats-credentials', { secretName: credentialsSecretName }, { FEDSAM_NATS_CREDS: 'nats.creds' }),
    mounted('nats-tls', { secretName: tlsSecretName }, tls),
  )
}

/** A Secret's files below /etc/fedsam, each under its variable; nothing where no Secret is named. */
function mounted(
  name: string,
  { secretName }: { readonly secretName: string },
  files: Readonly<Record<string, string>>,
): Parts {
  if (secretName === '') return NO_PARTS
  const folder = `/etc/fedsam/${name}`
  return {
    ...NO_PARTS,
    env: variables(
      Object.fromEntries(Object.entries(files).map(([key, file]) => [key, `${folder}/${file}`])),
    ),
    volumes: [{ name, secret: { secretName } }],
    mounts: [{ name, mountPath: folder, readOnly: true }],
  }
}

/** The authorities of the store's certificate, for whoever opens its URLs. */
export function storeAuthorities({ storage }: CompleteFederatedJobSpec): Parts {
  const configMap = storage?.s3.caBundleConfigMapName
  if (!configMap) return NO_PARTS
  const folder = '/etc/fedsam/store-ca'
  return {
    ...NO_PARTS,
    env: variables({ NODE_EXTRA_CA_CERTS: `${folder}/ca.crt` }),
    volumes: [{ name: 'store-ca', configMap: { name: configMap } }],
    mounts: [{ name: 'store-ca', mountPath: folder, readOnly: true }],
  }
}

/** S3 for the coordinator: settings of the bucket; the Secret's keys are the AWS SDK's own variables. */
export function s3Parts(spec: CompleteFederatedJobSpec, job: StoredJob): Parts {
  const s3 = spec.storage?.s3
  if (!s3) return NO_PARTS
  const { namespace, name, uid } = job.metadata
  const settings = {
    FEDSAM_S3_BUCKET: s3.bucket,
    FEDSAM_S3_PREFIX: runPrefix(s3.prefix, { namespace, name, uid }),
    FEDSAM_S3_ENDPOINT: s3.endpoint,
    FEDSAM_S3_REGION: s3.region,
    FEDSAM_S3_FORCE_PATH_STYLE: String(s3.forcePathStyle),
  }
  const own = { ...NO_PARTS, env: variables(settings), envFrom: secretVariables(s3.credentialsSecretName) }
  return join(own, storeAuthorities(spec))
}

/** All keys of a Secret as variables. */
export function secretVariables(name: string): Json[] {
  return name === '' ? [] : [{ secretRef: { name } }]
}

/** Credentials of the base checkpoint as files, where a Secret of its own is named: storage's are variables already. */
export function checkpointParts({ trainer }: CompleteFederatedJobSpec): Parts {
  const secretName = trainer.segmentAnything?.checkpoint.credentialsSecretName ?? ''
  if (trainer.type !== 'SegmentAnything' || secretName === '') return NO_PARTS
  const folder = '/etc/fedsam/checkpoint-credentials'
  return {
    ...NO_PARTS,
    env: variables({ FEDSAM_CHECKPOINT_CREDENTIALS: folder }),
    volumes: [{ name: 'checkpoint-credentials', secret: { secretName } }],
    mounts: [{ name: 'checkpoint-credentials', mountPath: folder, readOnly: true }],
  }
}
