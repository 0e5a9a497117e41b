// How a pod finds its store, its bus and its checkpoint: environment variables, volumes and mounts, rendered from the
// spec. The kubelet mounts Secrets or sets them as variables; the operator reads no Secret. Pure.
import type { BUS, CHECKPOINT, STORE, Variables, Written } from '#protocol/environment.ts'
import type { CompleteFederatedJobSpec } from '#protocol/generated/federatedjob.ts'
import { audienceOf, type Member } from '#protocol/identity.ts'
import { requiresTls } from '#protocol/insecure.ts'
import { runPrefix } from '#protocol/names.ts'
import type { Json, StoredJob } from '../../objects/shapes.ts'

/** What one purpose adds to a pod. */
/** Parts of a container and of its pod that belong together. */
export interface Parts {
  /** Variables with names that others chose. */
  readonly env: readonly Json[]
  readonly envFrom: readonly Json[]
  readonly volumes: readonly Json[]
  readonly mounts: readonly Json[]
}

/** The same, with values for a table of our variables. */
export interface PartsOf<T extends Variables> extends Parts {
  readonly values: Written<T>
}

export const NO_PARTS: Parts = { env: [], envFrom: [], volumes: [], mounts: [] }

/** Variables as a container's env. */
export function variables(values: Readonly<Record<string, string>>): Json[] {
  return Object.entries(values).map(([name, value]) => ({ name, value }))
}

/** All parts, in their order. */
export function join(...all: readonly Parts[]): Parts {
  return {
    env: all.flatMap(({ env }) => env),
    envFrom: all.flatMap(({ envFrom }) => envFrom),
    volumes: all.flatMap(({ volumes }) => volumes),
    mounts: all.flatMap(({ mounts }) => mounts),
  }
}

/** The folder and the file of the token that a pod shows to the NATS server. */
const TOKEN_FOLDER = '/var/run/fedsam'
const TOKEN_FILE = 'token'

/**
 * The settings of NATS for a member of the run: the URL, TLS files, and how it shows who it is. That is a credentials file nats.creds,
 * or else a token that only this member of this run may use, which the gate verifies.
 */
export function natsParts(
  { messaging }: CompleteFederatedJobSpec,
  { metadata: { uid } }: StoredJob,
  member: Member,
): PartsOf<typeof BUS> {
  const { url, credentialsSecretName = '', tlsSecretName = '' } = messaging?.nats ?? {}
  const credentials = secretFolder(SECRET_VOLUMES.busCredentials, credentialsSecretName)
  const token = credentialsSecretName === '' ? tokenParts(audienceOf(uid, member)) : NO_PARTS
  // A Secret may hold ca.crt alone: readers ignore a certificate and a key whose files are absent.
  const tls = secretFolder(SECRET_VOLUMES.busTls, tlsSecretName)
  return {
    ...join(credentials, token, tls),
    values: {
      natsUrl: url,
      natsCreds: credentials.file('nats.creds'),
      tokenFile: token === NO_PARTS ? undefined : `${TOKEN_FOLDER}/${TOKEN_FILE}`,
      natsCa: tls.file('ca.crt'),
      natsCert: tls.file('tls.crt'),
      natsKey: tls.file('tls.key'),
    },
  }
}

/** Seconds that a token is valid. The kubelet replaces it after 80% of them, and the next connection shows the new one. */
const TOKEN_SECONDS = 3600

function tokenParts(audience: string): Parts {
  const source = { serviceAccountToken: { audience, path: TOKEN_FILE, expirationSeconds: TOKEN_SECONDS } }
  return {
    ...NO_PARTS,
    volumes: [{ name: SECRET_VOLUMES.token, projected: { sources: [source] } }],
    mounts: [{ name: SECRET_VOLUMES.token, mountPath: TOKEN_FOLDER, readOnly: true }],
  }
}

/** Volumes with credentials. */
export const SECRET_VOLUMES = {
  token: 'token',
  busCredentials: 'nats-credentials',
  busTls: 'nats-tls',
  checkpoint: 'checkpoint-credentials',
} as const

interface SecretFolder extends Parts {
  /** The path of the folder, and of a file in it; undefined where no Secret is named. */
  readonly path: string | undefined
  file(name: string): string | undefined
}

/** A Secret's files below /etc/fedsam; nothing where no Secret is named. */
function secretFolder(name: string, secretName: string): SecretFolder {
  if (secretName === '') return { ...NO_PARTS, path: undefined, file: () => undefined }
  const path = `/etc/fedsam/${name}`
  return {
    ...NO_PARTS,
    volumes: [{ name, secret: { secretName } }],
    mounts: [{ name, mountPath: path, readOnly: true }],
    path,
    file: (file) => `${path}/${file}`,
  }
}

/** The authorities of the store's certificate, for every program that opens the store's URLs. */
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

/**
 * S3 for the coordinator: the settings of the bucket, and the keys of the Secret, which are the AWS SDK's own
 * variables.
 */
export function s3Parts(spec: CompleteFederatedJobSpec, job: StoredJob): PartsOf<typeof STORE> {
  const s3 = spec.storage?.s3
  const { namespace, name, uid } = job.metadata
  const own = { ...NO_PARTS, envFrom: secretVariables(s3?.credentialsSecretName ?? '') }
  return {
    ...join(own, storeAuthorities(spec)),
    values: {
      s3Bucket: s3?.bucket,
      s3Prefix: s3 && runPrefix(s3.prefix, { namespace, name, uid }),
      s3Endpoint: s3?.endpoint,
      s3PublicEndpoint: s3?.publicEndpoint || undefined,
      s3Region: s3?.region,
      s3ForcePathStyle: s3 && String(s3.forcePathStyle),
      requireTls: String(requiresTls(spec)),
    },
  }
}

/**
 * What the URLs of grants begin with: the job's bucket. Without an endpoint in the spec, the store is AWS or what a Secret names, and
 * the operator reads no Secret: then any host by HTTPS.
 */
export function storeUrl({ storage }: CompleteFederatedJobSpec): string {
  const { endpoint = '', bucket = '', forcePathStyle = true } = storage?.s3 ?? {}
  if (endpoint === '' || !URL.canParse(endpoint)) return 'https:'
  const { protocol, host } = new URL(endpoint)
  return forcePathStyle ? `${protocol}//${host}/${bucket}/` : `${protocol}//${bucket}.${host}/`
}

/** All keys of a Secret as variables. */
export function secretVariables(name: string): Json[] {
  return name === '' ? [] : [{ secretRef: { name } }]
}

/**
 * Credentials of the base checkpoint, if it has a Secret of its own. They are files, because storage's credentials
 * are the variables.
 */
export function checkpointParts({ trainer }: CompleteFederatedJobSpec): PartsOf<typeof CHECKPOINT> {
  const checkpoint = trainer.type === 'SegmentAnything' ? trainer.segmentAnything?.checkpoint : undefined
  const folder = secretFolder(SECRET_VOLUMES.checkpoint, checkpoint?.credentialsSecretName ?? '')
  return { ...folder, values: { checkpointCredentials: folder.path } }
}
