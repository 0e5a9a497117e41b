// Pod templates and security contexts that podTemplates: Restricted refuses, each with the field that the message names, and such as it
// allows. The operator's own check and the admission policy of the chart must say the same of each.
export type Spec = Readonly<Record<string, unknown>>

export interface RefusedCase {
  readonly spec: Spec
  /** How the message begins. */
  readonly says: string
}

const workers = (spec: object): Spec => ({ workers: { template: { spec } } })
const coordinator = (spec: object): Spec => ({ coordinator: { template: { spec } } })
const container = (fields: object, name = 'trainer'): Spec => workers({ containers: [{ name, ...fields }] })
const network = (fields: object): Spec => workers({ initContainers: [{ name: 'network', ...fields }] })
const security = (fields: object): Spec => container({ securityContext: fields })
const volume = (fields: object): Spec => workers({ volumes: [{ name: 'extra', ...fields }] })
const projected = (source: object): Spec => volume({ projected: { sources: [source] } })
const context = (securityContext: object): Spec => ({
  partitions: [{ name: 'a', securityContext }, { name: 'b' }],
})

const W = 'spec.workers.template'
const POD = `${W}.spec`
const TRAINER = `${POD}.containers[]`
const NETWORK = `${POD}.initContainers[]`

function refused(says: string, spec: Spec): RefusedCase {
  return { spec, says }
}

export const REFUSED: readonly RefusedCase[] = [
  ...['hostNetwork', 'hostPID', 'hostIPC', 'shareProcessNamespace', 'automountServiceAccountToken'].map(
    (name) => refused(`${POD}.${name} is not allowed`, workers({ [name]: true })),
  ),
  refused(`${POD}.hostUsers is not allowed`, workers({ hostUsers: null })),
  refused(`${POD}.serviceAccountName is not allowed`, workers({ serviceAccountName: 'privileged' })),
  refused(`${POD}.serviceAccount is not allowed`, workers({ serviceAccount: 'privileged' })),
  refused(`${POD}.nodeName is not allowed`, workers({ nodeName: 'control-plane' })),
  refused(`${POD}.restartPolicy is not allowed`, workers({ restartPolicy: 'Always' })),
  refused(`${POD}.ephemeralContainers is not allowed`, workers({ ephemeralContainers: [] })),
  refused(`${POD}.newerThanThis is not allowed`, workers({ newerThanThis: 1 })),
  refused('spec.coordinator.template.spec.hostNetwork is not allowed', coordinator({ hostNetwork: true })),
  refused('spec.partitions[b].workers.template.spec.hostPID is not allowed', {
    partitions: [{ name: 'a' }, { name: 'b', workers: { template: { spec: { hostPID: true } } } }],
  }),
  refused(`${W}.status is not allowed`, { workers: { template: { status: {} } } }),
  refused(`${POD} is not allowed`, { workers: { template: { spec: null } } }),
  refused(`${W}.metadata.ownerReferences is not allowed`, {
    workers: { template: { metadata: { ownerReferences: [] } } },
  }),
  refused(`${W}.metadata.annotations.container.apparmor.security.beta.kubernetes.io/trainer is not allowed`, {
    workers: {
      template: {
        metadata: {
          annotations: { 'container.apparmor.security.beta.kubernetes.io/trainer': 'unconfined' },
        },
      },
    },
  }),
  // The security of the pod, and null, which would remove what the operator renders.
  refused(`${POD}.securityContext is not allowed`, workers({ securityContext: null })),
  refused(
    `${POD}.securityContext.runAsUser may only be a whole number above 0`,
    workers({ securityContext: { runAsUser: 0 } }),
  ),
  refused(
    `${POD}.securityContext.runAsNonRoot may only be true`,
    workers({ securityContext: { runAsNonRoot: null } }),
  ),
  refused(
    `${POD}.securityContext.seccompProfile.type may only be RuntimeDefault or Localhost`,
    workers({ securityContext: { seccompProfile: { type: 'Unconfined' } } }),
  ),
  refused(
    `${POD}.securityContext.appArmorProfile.type may only be RuntimeDefault or Localhost`,
    workers({ securityContext: { appArmorProfile: { type: 'Unconfined' } } }),
  ),
  ...['seLinuxOptions', 'sysctls', 'windowsOptions'].map((name) =>
    refused(
      `${POD}.securityContext.${name} is not allowed`,
      workers({ securityContext: { [name]: { hostProcess: true } } }),
    ),
  ),
  // Of a container.
  refused(`${TRAINER}.securityContext is not allowed`, security(null as unknown as object)),
  refused(`${TRAINER}.securityContext.privileged may only be false`, security({ privileged: true })),
  refused(
    `${TRAINER}.securityContext.allowPrivilegeEscalation may only be false`,
    security({ allowPrivilegeEscalation: true }),
  ),
  refused(
    `${TRAINER}.securityContext.capabilities.add is not allowed`,
    security({ capabilities: { add: ['SYS_ADMIN'] } }),
  ),
  refused(
    `${TRAINER}.securityContext.capabilities.drop may only be ["ALL"]`,
    security({ capabilities: { drop: [] } }),
  ),
  refused(`${TRAINER}.securityContext.procMount may only be Default`, security({ procMount: 'Unmasked' })),
  refused(
    `${TRAINER}.securityContext.seccompProfile.type may only be RuntimeDefault or Localhost`,
    security({ seccompProfile: { type: 'Unconfined' } }),
  ),
  refused(`${TRAINER}.securityContext.seLinuxOptions is not allowed`, security({ seLinuxOptions: {} })),
  refused(
    `${TRAINER}.securityContext.runAsUser may only be a whole number above 0`,
    container({ image: 'x', securityContext: { runAsUser: 0 } }, 'added'),
  ),
  refused(
    `${TRAINER}.ports[].hostPort is not allowed`,
    container({ ports: [{ containerPort: 1, hostPort: 1 }] }),
  ),
  refused(`${TRAINER}.volumeDevices is not allowed`, container({ volumeDevices: [] })),
  refused(
    `${TRAINER}.livenessProbe.httpGet.host is not allowed`,
    container({ livenessProbe: { httpGet: { host: '169.254.169.254', port: 80 } } }),
  ),
  refused(
    `${TRAINER}.lifecycle.preStop.tcpSocket.host is not allowed`,
    container({ lifecycle: { preStop: { tcpSocket: { host: '127.0.0.1', port: 1 } } } }),
  ),
  ...['token', 'nats-credentials', 'nats-tls', 'checkpoint-credentials', 'tmp-network'].map((name) =>
    refused(
      `${TRAINER}.volumeMounts[].name names a volume of another container`,
      container({ volumeMounts: [{ name, mountPath: '/stolen' }] }),
    ),
  ),
  refused(
    `${TRAINER}.volumeMounts[].mountPropagation is not allowed`,
    container({ volumeMounts: [{ name: 'seam', mountPath: '/x', mountPropagation: 'Bidirectional' }] }),
  ),
  // Of our containers.
  ...[
    'image',
    'command',
    'args',
    'volumeMounts',
    'envFrom',
    'securityContext',
    'lifecycle',
    'livenessProbe',
  ].map((name) => refused(`${NETWORK}.${name} is not allowed`, network({ [name]: [] }))),
  refused(
    `${NETWORK}.env[].name may only be HTTPS_PROXY or https_proxy`,
    network({ env: [{ name: 'FEDSAM_NATS_URL', value: 'nats://mallory' }] }),
  ),
  refused(
    'spec.coordinator.template.spec.containers[].env[].name may only be',
    coordinator({ containers: [{ name: 'coordinator', env: [{ name: 'AWS_ENDPOINT_URL', value: 'x' }] }] }),
  ),
  refused(
    `${NETWORK}.image is not allowed`,
    workers({ initContainers: [{ name: 'data', image: 'mallory/data' }] }),
  ),
  // Volumes.
  ...['hostPath', 'nfs', 'csi', 'iscsi', 'flexVolume'].map((type) =>
    refused(`${POD}.volumes[].${type} is not allowed`, volume({ [type]: {} })),
  ),
  refused(
    `${POD}.volumes[].projected.sources[].serviceAccountToken is not allowed`,
    projected({ serviceAccountToken: { audience: 'fedsam.dev/another', path: 'token' } }),
  ),
  refused(
    `${POD}.volumes[].projected.sources[].clusterTrustBundle is not allowed`,
    projected({ clusterTrustBundle: { path: 'x' } }),
  ),
  ...['token', 'seam', 'cache', 'data', 'store-ca'].map((name) =>
    refused(
      `${POD}.volumes[].name is the name of a volume that the operator renders`,
      workers({ volumes: [{ name, emptyDir: {} }] }),
    ),
  ),
  // Values of a wrong type, which nobody can judge.
  refused(`${POD}.containers is not allowed`, workers({ containers: 'all' })),
  refused(`${TRAINER} is not allowed`, workers({ containers: ['trainer'] })),
  refused(`${POD}.volumes is not allowed`, workers({ volumes: null })),
  // The security context of a partition.
  refused(
    'spec.partitions[a].securityContext.runAsUser may only be a whole number above 0',
    context({ runAsUser: 0 }),
  ),
  refused(
    'spec.partitions[a].securityContext.runAsNonRoot may only be true',
    context({ runAsNonRoot: false }),
  ),
  refused('spec.partitions[a].securityContext.sysctls is not allowed', context({ sysctls: [] })),
]

export const ALLOWED: readonly Spec[] = [
  workers({
    nodeSelector: { gpu: 'a100' },
    tolerations: [{ operator: 'Exists' }],
    affinity: {},
    priorityClassName: 'low',
    runtimeClassName: 'nvidia',
    terminationGracePeriodSeconds: 60,
    imagePullSecrets: [{ name: 'mirror' }],
    securityContext: {
      runAsUser: 1000,
      runAsGroup: 0,
      fsGroup: 1000,
      runAsNonRoot: true,
      seccompProfile: { type: 'RuntimeDefault' },
    },
    volumes: [
      { name: 'shared', emptyDir: { medium: 'Memory' } },
      { name: 'scans', persistentVolumeClaim: { claimName: 'scans' } },
      { name: 'settings', projected: { sources: [{ configMap: { name: 'x' } }, { secret: { name: 'y' } }] } },
    ],
    initContainers: [
      { name: 'prepare', image: 'site/prepare', volumeMounts: [{ name: 'scans', mountPath: '/scans' }] },
      {
        name: 'network',
        resources: { limits: { memory: '1Gi' } },
        env: [{ name: 'HTTPS_PROXY', value: 'http://proxy:3128' }],
      },
    ],
    containers: [
      {
        name: 'trainer',
        env: [{ name: 'CUDA_VISIBLE_DEVICES', value: '0' }],
        volumeMounts: [
          { name: 'shared', mountPath: '/dev/shm' },
          { name: 'cache', mountPath: '/c', subPath: 'x' },
        ],
        securityContext: {
          readOnlyRootFilesystem: false,
          privileged: false,
          capabilities: { drop: ['ALL'] },
        },
        ports: [{ containerPort: 6006 }],
        livenessProbe: { httpGet: { path: '/', port: 6006 } },
      },
      {
        name: 'tensorboard',
        image: 'site/tensorboard',
        securityContext: { allowPrivilegeEscalation: false },
      },
    ],
  }),
  coordinator({ containers: [{ name: 'coordinator', env: [{ name: 'no_proxy', value: '10.0.0.0/8' }] }] }),
  {
    workers: {
      template: { metadata: { labels: { team: 'x' }, annotations: { 'prometheus.io/scrape': 'true' } } },
    },
  },
  { workers: { template: {} } },
  context({ runAsUser: 1000, fsGroup: 1000 }),
]
