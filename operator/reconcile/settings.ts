// Where a pod finds its store and its bus: environment, volumes and mounts from spec.storage and spec.messaging. Secrets are
// mounted by name; the operator reads none.
import type { CompleteFederatedJobSpec } from '#protocol/generated/federatedjob.ts'
import { runPrefix } from '#protocol/names.ts'
import type { Json, StoredJob } from './objects.ts'

interface Parts {
  readonly env: readonly Json[]
  readonly volumes: readonly Json[]
  readonly mounts: readonly Json[]
}

/** NATS for either role: the URL, a credentials file nats.creds, TLS files. */
export function natsParts(spec: CompleteFederatedJobSpec): Parts {
  const nats = spec.messaging?.nats ?? {
    url: 'nats://nats:4222',
    credentialsSecretName: '',
    tlsSecretName: '',
  }
  const credentials = secret('nats-credentials', nats.credentialsSecretName, {
    FEDSAM_NATS_CREDS: 'nats.creds',
  })
  // A Secret may hold ca.crt alone; who names the files that mutual TLS needs has all three.
  const tls = secret('nats-tls', nats.tlsSecretName, { FEDSAM_NATS_CA: 'ca.crt' })
  return {
    env: [{ name: 'FEDSAM_NATS_URL', value: nats.url }, ...credentials.env, ...tls.env],
    volumes: [...credentials.volumes, ...tls.volumes],
    mounts: [...credentials.mounts, ...tls.mounts],
  }
}

function secret(name: string, secretName: string, files: Readonly<Record<string, string>>): Parts {
  if (secretName === '') return { env: [], volumes: [], mounts: [] }
  const folder = `/etc/fedsam/${name}`
  return {
    env: Object.entries(files).map(([variable, file]) => ({ name: variable, value: `${folder}/${file}` })),
    volumes: [{ name, secret: { secretName } }],
    mounts: [{ name, mountPath: folder, readOnly: true }],
  }
}

/** S3 for the coordinator: settings of the bucket; the Secret's keys are the AWS SDK's own variables. */
export function s3Parts(
  spec: CompleteFederatedJobSpec,
  job: StoredJob,
): Parts & { readonly envFrom: Json[] } {
  const s3 = spec.storage?.s3
  if (!s3) return { env: [], envFrom: [], volumes: [], mounts: [] }
  const { namespace, name, uid } = job.metadata
  const prefix = runPrefix(s3.prefix, { namespace, name, uid })
  const ca = s3.caBundleConfigMapName
  const folder = '/etc/fedsam/store-ca'
  const variables = {
    FEDSAM_S3_BUCKET: s3.bucket,
    FEDSAM_S3_PREFIX: prefix,
    FEDSAM_S3_ENDPOINT: s3.endpoint,
    FEDSAM_S3_REGION: s3.region,
    FEDSAM_S3_FORCE_PATH_STYLE: String(s3.forcePathStyle),
    ...(ca ? { NODE_EXTRA_CA_CERTS: `${folder}/ca.crt` } : {}),
  }
  return {
    env: Object.entries(variables).map(([variable, value]) => ({ name: variable, value })),
    envFrom: s3.credentialsSecretName ? [{ secretRef: { name: s3.credentialsSecretName } }] : [],
    volumes: ca ? [{ name: 'store-ca', configMap: { name: ca } }] : [],
    mounts: ca ? [{ name: 'store-ca', mountPath: folder, readOnly: true }] : [],
  }
}
