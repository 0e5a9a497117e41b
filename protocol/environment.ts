// The environment variables of every program, each once. A writer (the operator, `fedsam run`) names every variable of a table; a
// reader gives a rule for every variable of it: a forgotten or misspelt one does not compile. The texts are those of
// docs/programs.md, which `npm run generate` writes. Variables that are not ours (AWS_*, HF_*, KUBECONFIG, POD_*) stay with their readers.
import { COORDINATOR_PORT, PROBE_PATHS } from './pods.ts'

/** A variable: its name, and what it says. */
export interface Variable {
  readonly name: string
  readonly says: string
}

/** Variables by the name that the code has for each. */
export type Variables = Readonly<Record<string, Variable>>

/** A value for every variable; undefined where the reader's default is right. */
export type Written<T extends Variables> = { readonly [K in keyof T]: string | undefined }

const variable = (name: string, says: string): Variable => ({ name, says })
const code = (text: string): string => `\`${text}\``

/** Two programs read each of these. */
const REQUIRE_TLS = variable(
  'FEDSAM_REQUIRE_TLS',
  '`true`: no connection to S3 or a Hub without TLS, also where a Secret names its address; default: `false`',
)
const CLIENT = variable('FEDSAM_CLIENT', "the partition's name")
const METRICS_PORT = 'FEDSAM_METRICS_PORT'
const WATCH_NAMESPACES = 'FEDSAM_WATCH_NAMESPACES'
const ACCOUNT_FOLDER = variable(
  'FEDSAM_ACCOUNT_FOLDER',
  "the folder with `token` and `ca.crt` of its account; default: the kubelet's",
)

/** The variables of a table as an environment, without those that are undefined. */
export function environmentOf<T extends Variables>(
  table: T,
  values: Written<NoInfer<T>>,
): Record<string, string> {
  const set = Object.entries(table).map(([key, { name }]) => [name, values[key]] as const)
  return Object.fromEntries(set.filter((entry): entry is [string, string] => entry[1] !== undefined))
}

/** Of every program: how it ends. */
export const ENDING = {
  endWithParent: variable(
    'FEDSAM_END_WITH_PARENT',
    '`true`: the end of standard input stops the program, as SIGTERM does',
  ),
} as const

/** Of every program: where it reports why it ended. */
export const TERMINATION = {
  terminationLog: variable(
    'FEDSAM_TERMINATION_LOG',
    "the file that gets the reason of a failure as JSON; default: the kubelet's `/dev/termination-log`, where it exists",
  ),
} as const

/** Of coordinator and worker: the bus. */
export const BUS = {
  natsUrl: variable('FEDSAM_NATS_URL', '`nats://host:4222`'),
  natsCreds: variable('FEDSAM_NATS_CREDS', 'a NATS credentials file'),
  tokenFile: variable(
    'FEDSAM_TOKEN_FILE',
    "a file with the secret that the program shows to the NATS server, read at every connect: the pod's projected " +
      'service-account token, which the gate verifies, or a password; default: it shows none',
  ),
  natsCa: variable('FEDSAM_NATS_CA', "the authorities that signed the server's certificate, a PEM file"),
  natsCert: variable(
    'FEDSAM_NATS_CERT',
    'the certificate for mutual TLS, a PEM file; ignored where the file is absent',
  ),
  natsKey: variable(
    'FEDSAM_NATS_KEY',
    'the key of that certificate, a PEM file; ignored where the file is absent',
  ),
} as const

/** Of the coordinator: the store. Credentials come by the AWS SDK's own chain. */
export const STORE = {
  s3Bucket: variable('FEDSAM_S3_BUCKET', "the bucket; credentials come by the AWS SDK's own chain"),
  s3Prefix: variable('FEDSAM_S3_PREFIX', 'what all keys of the run begin with; default: empty'),
  s3Endpoint: variable('FEDSAM_S3_ENDPOINT', "the URL of the S3 service; default: the AWS SDK's"),
  s3PublicEndpoint: variable(
    'FEDSAM_S3_PUBLIC_ENDPOINT',
    'the origin of the same service for sites outside of the cluster; default: it has none',
  ),
  s3Region: variable('FEDSAM_S3_REGION', "default: the AWS SDK's"),
  s3ForcePathStyle: variable(
    'FEDSAM_S3_FORCE_PATH_STYLE',
    '`true`: the bucket is in the path, not in the host name; `false`: the reverse',
  ),
  requireTls: REQUIRE_TLS,
} as const

/** Of a coordinator whose job is a file. */
export const JOB_FILE = {
  certifierSeed: variable(
    'FEDSAM_CERTIFIER_SEED',
    '64 hexadecimal digits: the seed of the key by which this coordinator certifies itself, as `fedsam run` chose it',
  ),
  jobFile: variable('FEDSAM_JOB_FILE', 'JSON: the job, and where its files are. In a cluster instead:'),
} as const

/** Of a coordinator whose job is a FederatedJob. */
export const CLUSTER_JOB = {
  jobNamespace: variable('FEDSAM_JOB_NAMESPACE', 'the namespace of its FederatedJob'),
  jobName: variable('FEDSAM_JOB_NAME', 'the name of its FederatedJob'),
  jobUid: variable(
    'FEDSAM_JOB_UID',
    'the uid of its FederatedJob: an object with another uid is another job',
  ),
  serviceAccount: variable(
    'FEDSAM_SERVICE_ACCOUNT',
    "the folder with `token` and `ca.crt` of the pod's account; default: the kubelet's",
  ),
  metricsPort: variable(
    METRICS_PORT,
    `${code(PROBE_PATHS.metrics)}, ${code(PROBE_PATHS.alive)} and ${code(PROBE_PATHS.ready)}; default: ${COORDINATOR_PORT}`,
  ),
} as const

/** Of the coordinator: credentials of the base checkpoint alone. */
export const CHECKPOINT = {
  checkpointCredentials: variable(
    'FEDSAM_CHECKPOINT_CREDENTIALS',
    "a folder with the keys of the checkpoint's own Secret: `HF_TOKEN`, or `AWS_ACCESS_KEY_ID`, " +
      '`AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_REGION`, `AWS_ENDPOINT_URL_S3`. Default: the variables ' +
      "`HF_TOKEN` and `HF_ENDPOINT`, and the store's settings for `s3://`",
  ),
} as const

/** Of the worker's network half. */
export const WORKER = {
  client: CLIENT,
  subjects: variable('FEDSAM_SUBJECTS', "the run's subject prefix, `fedsam.<namespace>.<uid>`"),
  scratch: variable('FEDSAM_SCRATCH', 'a folder for models and for updates that are not complete yet'),
  noProgressSeconds: variable(
    'FEDSAM_NO_PROGRESS_SECONDS',
    'a trainer that shows no progress for this long has failed',
  ),
  answerSeconds: variable(
    'FEDSAM_ANSWER_SECONDS',
    "the worker repeats a request without an answer after this long; above the coordinator's `holdSeconds`; default: 30",
  ),
  trust: variable(
    'FEDSAM_TRUST',
    'public keys, comma separated, 64 hexadecimal digits each: the worker believes a coordinator only with a certificate by one of them',
  ),
  stores: variable(
    'FEDSAM_STORES',
    'what the URLs of granted transfers must begin with, comma separated: the bucket of the run. `https:` admits every host',
  ),
  keyFile: variable(
    'FEDSAM_KEY_FILE',
    "the file of the client's own key, which the worker makes where it does not exist; default: a new key at each start",
  ),
} as const

/** Of the network half whose trainer is its child. */
export const CHILD_TRAINER = {
  trainer: variable(
    'FEDSAM_TRAINER',
    'JSON: program, environment and folder of the trainer, which the worker starts as a child. The trainer gets this ' +
      'environment and no other. In a pod instead:',
  ),
} as const

/** Of the network half whose trainer is the container beside it. */
export const POD_TRAINER = {
  seam: variable(
    'FEDSAM_SEAM',
    "the folder of the FIFOs to the trainer's container (`docs/trainer-seam.md`)",
  ),
  cache: variable('FEDSAM_CACHE', 'the folder with the base checkpoint, under `base/`'),
  base: variable(
    'FEDSAM_BASE',
    'whether the trainer needs the base checkpoint: `true` or `false`; default: `false`',
  ),
} as const

/** Of the data sidecar. */
export const SOURCE = {
  sourceUri: variable('FEDSAM_SOURCE_URI', "`s3://bucket/prefix`: the partition's data"),
  sourceFolder: variable(
    'FEDSAM_SOURCE_FOLDER',
    'the folder for the data; the sidecar writes `<folder>.complete` beside it when it is complete',
  ),
  sourceEndpoint: variable(
    'FEDSAM_SOURCE_ENDPOINT',
    "the URL of the S3 service, unless `AWS_ENDPOINT_URL_S3` is set; credentials come by the AWS SDK's own chain",
  ),
  sourceRegion: variable('FEDSAM_SOURCE_REGION', 'the region, unless `AWS_REGION` is set'),
  sourceForcePathStyle: variable(
    'FEDSAM_SOURCE_FORCE_PATH_STYLE',
    '`true` or `false`, for `FEDSAM_SOURCE_ENDPOINT`',
  ),
  requireTls: REQUIRE_TLS,
} as const

/** Of a trainer, as `fedsam run`, the operator and `fedsam trainer` start it. docs/trainer-seam.md describes them to its author. */
export const TRAINER = {
  client: CLIENT,
  dataset: variable('FEDSAM_DATASET', "the partition's `dataset` as JSON"),
  partitionId: variable(
    'FEDSAM_PARTITION_ID',
    "the partition's place among the job's partitions, from 0; set by `fedsam run`. In a pod and at a site the job or the site may set it",
  ),
  numPartitions: variable(
    'FEDSAM_NUM_PARTITIONS',
    "the number of the job's partitions; set in the same places",
  ),
} as const

/** Of a trainer that is a child. */
export const TRAINER_LIFE = {
  life: variable(
    'FEDSAM_TRAINER_LIFE',
    'outside a pod: a random word that marks the processes of one trainer',
  ),
} as const

/** Of a strategy's program. */
export const PROGRAM_LIFE = {
  life: variable(
    'FEDSAM_PROGRAM_LIFE',
    "a word that marks the processes of the run's program: those that a coordinator left behind end before the program starts again",
  ),
} as const

/** Of the operator: the images of the pods. */
export const IMAGES = {
  coordinatorImage: variable('FEDSAM_COORDINATOR_IMAGE', "the image of coordinators' pods"),
  workerImage: variable('FEDSAM_WORKER_IMAGE', "the image of workers' pods"),
  workerGpuImage: variable('FEDSAM_WORKER_GPU_IMAGE', 'the same for workers with an accelerator'),
} as const

/** Of the operator: all else. */
export const OPERATOR = {
  signingFolder: variable(
    'FEDSAM_SIGNING_FOLDER',
    'the folder of the mounted Secret with the key that certifies coordinators: `seed`, 32 random bytes; and where the key is about ' +
      'to be replaced `next`, those of its successor, which workers trust already',
  ),
  imagePullPolicy: variable(
    'FEDSAM_IMAGE_PULL_POLICY',
    '`Always`, `IfNotPresent` or `Never`; default: `IfNotPresent`',
  ),
  imagePullSecrets: variable(
    'FEDSAM_IMAGE_PULL_SECRETS',
    "names of pull secrets in the jobs' namespaces, comma separated",
  ),
  metricsPeers: variable(
    'FEDSAM_METRICS_PEERS',
    'a JSON list of NetworkPolicyPeer: which pods may read the metrics of coordinators; default: none',
  ),
  dnsPeers: variable(
    'FEDSAM_DNS_PEERS',
    'a JSON list of NetworkPolicyPeer: where pods of jobs ask for names; default: kube-dns; `[]`: anywhere',
  ),
  serverPeers: variable(
    'FEDSAM_SERVER_PEERS',
    'a JSON list of NetworkPolicyPeer: where the stores and NATS servers of jobs are; default: where their URLs say',
  ),
  apiServerPeers: variable(
    'FEDSAM_API_SERVER_PEERS',
    'a JSON list of NetworkPolicyPeer: where coordinators find the API server; default: anywhere, by its ports',
  ),
  insideRanges: variable(
    'FEDSAM_INSIDE_RANGES',
    'CIDRs, comma separated, that pods of jobs do not reach as addresses outside of the cluster; default: none',
  ),
  podTemplates: variable(
    'FEDSAM_POD_TEMPLATES',
    'what pod templates of jobs may hold: `Restricted`, `Any` or `Off` (nothing); default: `Restricted`',
  ),
  watchNamespaces: variable(
    WATCH_NAMESPACES,
    'the namespaces that the operator watches, comma separated; default: all. Each has nine watches, with a connection each',
  ),
  leaderElection: variable(
    'FEDSAM_LEADER_ELECTION',
    '`true` or `false`; default: `true` where `POD_NAMESPACE` is set. One operator leads; the others only fill their caches',
  ),
  leaseSeconds: variable(
    'FEDSAM_LEASE_SECONDS',
    'a leader that renews nothing for this long is replaced; default: 15. It gives up after two thirds of it, and ' +
      'renews every two fifteenths',
  ),
  probePort: variable(
    'FEDSAM_PROBE_PORT',
    `${code(PROBE_PATHS.alive)}: its event loop keeps up and no pass hangs; ${code(PROBE_PATHS.ready)}: its caches are filled; default: 8081`,
  ),
  metricsPort: variable(
    METRICS_PORT,
    "`/metrics`: controller-runtime's names, and `fedsam_jobs`, `fedsam_children_writes_total`, " +
      '`fedsam_status_writes_total`, `fedsam_kubernetes_connections`; default: 8080',
  ),
  workers: variable('FEDSAM_WORKERS', 'how many jobs it reconciles at once; default: 8'),
  qps: variable('FEDSAM_QPS', 'calls to the API server a second; default: 500. It obeys 429 and 503 besides'),
  burst: variable('FEDSAM_BURST', 'calls to the API server at once; default: 1000'),
  resyncSeconds: variable(
    'FEDSAM_RESYNC_SECONDS',
    'the longest time between two passes of a job, though nothing changed; default: 36000',
  ),
  accountFolder: ACCOUNT_FOLDER,
} as const

/** Of the gate, and of the program that configures its nats-server. */
export const GATE_SEEDS = {
  gateSeeds: variable(
    'FEDSAM_GATE_SEEDS',
    'a folder with the files `issuer` and `user`, each of 32 random bytes: the keys that sign the answers of the gate, and ' +
      'with which the gate connects',
  ),
} as const

/** Of the gate. */
export const GATE = {
  natsUrl: BUS.natsUrl,
  natsCa: BUS.natsCa,
  watchNamespaces: variable(
    WATCH_NAMESPACES,
    'the namespaces whose jobs may connect, comma separated; default: all',
  ),
  accountFolder: ACCOUNT_FOLDER,
  metricsPort: variable(
    METRICS_PORT,
    `${code(PROBE_PATHS.metrics)}, ${code(PROBE_PATHS.alive)} and ${code(PROBE_PATHS.ready)}: it has the jobs and serves; default: ${COORDINATOR_PORT}`,
  ),
} as const

/** Of the program that writes the configuration of the gate's nats-server. */
export const GATE_CONFIG = {
  natsConfig: variable('FEDSAM_GATE_NATS_CONFIG', 'the file that it writes'),
  natsPort: variable('FEDSAM_GATE_NATS_PORT', 'the port of the nats-server; default: 4222'),
  natsTls: variable(
    'FEDSAM_GATE_NATS_TLS',
    "a folder with the server's `tls.crt` and `tls.key`; default: the server has no TLS",
  ),
  natsWebsocketPort: variable(
    'FEDSAM_GATE_NATS_WEBSOCKET_PORT',
    'the port for sites, which connect over WebSocket; default: 0, the server has no such port',
  ),
  natsWebsocketTls: variable(
    'FEDSAM_GATE_NATS_WEBSOCKET_TLS',
    '`false` where an edge ends TLS in front of the port for sites; default: TLS, as on the other port',
  ),
} as const

/** Of `fedsam run --processes`: executables that it need not build. */
export const SERVERS = {
  natsServer: variable(
    'FEDSAM_NATS_SERVER',
    'the path of nats-server; default: the cached one, or a new build',
  ),
  versitygw: variable('FEDSAM_VERSITYGW', 'the path of versitygw; default: the cached one, or a new build'),
} as const

/** What `fedsam run --processes` starts the coordinator with. */
export const COORDINATOR_PROCESS = { ...ENDING, ...BUS, ...STORE, ...JOB_FILE } as const
/** What the operator starts a coordinator's pod with. */
export const COORDINATOR_POD = { ...CLUSTER_JOB, ...BUS, ...STORE, ...CHECKPOINT } as const
/** What `fedsam run --processes` starts a worker with. */
export const WORKER_PROCESS = { ...ENDING, ...BUS, ...WORKER, ...CHILD_TRAINER } as const
/** What the operator starts the network half of a worker's pod with. */
export const WORKER_POD = { ...WORKER, ...POD_TRAINER, ...BUS } as const

/** The tables of each program, in the order of docs/programs.md. */
export const PROGRAMS: readonly (readonly [string, Variables])[] = [
  ['every program', { ...ENDING, ...TERMINATION }],
  ['coordinator and worker', BUS],
  ['`coordinator/main.ts`', { ...JOB_FILE, ...CLUSTER_JOB, ...STORE, ...CHECKPOINT }],
  ['`worker/main.ts`', { ...WORKER, ...CHILD_TRAINER, ...POD_TRAINER }],
  ['`worker/source/main.ts`', SOURCE],
  ['a trainer', { ...TRAINER, ...TRAINER_LIFE }],
  ["a strategy's program", PROGRAM_LIFE],
  ['`operator/main.ts`', { ...IMAGES, ...OPERATOR }],
  ['`gate/main.ts`', { ...GATE, ...GATE_SEEDS }],
  ['`gate/config/main.ts`', { ...GATE_CONFIG, ...GATE_SEEDS }],
  ['`fedsam run --processes`', SERVERS],
]
