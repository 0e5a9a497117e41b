// What a pod template of a job, and the securityContext of a partition, may hold under podTemplates: Restricted. This
// table is the only place of these rules: the operator checks jobs by it (../author-rules.ts), and the chart's admission
// policy is generated from it. It holds every pod of a job to the level "restricted" of the Pod Security Standards, and
// leaves the programs, accounts, tokens and volumes of FedSAM as the operator renders them. Pure.
import { CONTAINERS } from '#protocol/pods.ts'
import { SECRET_VOLUMES } from './settings.ts'
import type { Shape } from './template-shape.ts'

const ANY: Shape = { kind: 'Any' }
const NEVER: Shape = { kind: 'Never' }
const oneOf = (...values: readonly unknown[]): Shape => ({ kind: 'OneOf', values })
const map = (fields: Readonly<Record<string, Shape>>): Shape => ({ kind: 'Map', fields })
const openMap = (fields: Readonly<Record<string, Shape>>): Shape => ({ kind: 'Map', fields, open: true })
const list = (items: Shape): Shape => ({ kind: 'List', items })
const any = (...names: readonly string[]): Record<string, Shape> =>
  Object.fromEntries(names.map((name) => [name, ANY]))

/** Containers that run our programs with a token or with credentials. The trainer runs the user's program. */
const OUR_CONTAINERS = [CONTAINERS.network, CONTAINERS.data, CONTAINERS.coordinator]

/** Volumes that only the containers rendered with them may mount. */
const PRIVATE_VOLUMES = [...Object.values(SECRET_VOLUMES), 'store-ca', 'tmp-network', 'tmp-data']
/** Every volume that the operator may render. A template can neither replace nor change one. */
export const OUR_VOLUMES: readonly string[] = [...PRIVATE_VOLUMES, 'seam', 'tmp', 'cache', 'data']

/** Variables that a template may set in our containers: the way to the network, and nothing about identity. */
const OUR_VARIABLES = ['HTTPS_PROXY', 'HTTP_PROXY', 'ALL_PROXY', 'NO_PROXY']
  .flatMap((name) => [name, name.toLowerCase()])
  .concat('HF_ENDPOINT')

const PROFILE = map({ type: oneOf('RuntimeDefault', 'Localhost'), localhostProfile: ANY })

/** Of a container that is not ours. */
const CONTAINER_SECURITY = map({
  ...any('readOnlyRootFilesystem', 'runAsGroup'),
  runAsNonRoot: oneOf(true),
  runAsUser: { kind: 'Positive' },
  privileged: oneOf(false),
  allowPrivilegeEscalation: oneOf(false),
  capabilities: map({ drop: oneOf(['ALL']) }),
  procMount: oneOf('Default'),
  seccompProfile: PROFILE,
  appArmorProfile: PROFILE,
})

/** Of a pod: of a template, and spec.partitions[].securityContext. */
export const POD_SECURITY_SHAPE: Shape = map({
  ...any('runAsGroup', 'fsGroup', 'fsGroupChangePolicy', 'supplementalGroups', 'supplementalGroupsPolicy'),
  runAsNonRoot: oneOf(true),
  runAsUser: { kind: 'Positive' },
  seccompProfile: PROFILE,
  appArmorProfile: PROFILE,
})

/** With `host` the kubelet, in the node's network, would ask an address of the author's choice. */
const HANDLER = openMap({ httpGet: openMap({ host: NEVER }), tcpSocket: openMap({ host: NEVER }) })

const OUR_CONTAINER = map({
  name: ANY,
  resources: ANY,
  env: list(map({ name: oneOf(...OUR_VARIABLES), value: ANY, valueFrom: ANY })),
})

const OTHER_CONTAINER = map({
  ...any('name', 'image', 'imagePullPolicy', 'command', 'args', 'workingDir', 'env', 'envFrom', 'resources'),
  ...any('resizePolicy', 'restartPolicy', 'terminationMessagePath', 'terminationMessagePolicy'),
  ports: list(map(any('name', 'containerPort', 'protocol'))),
  volumeMounts: list(
    map({
      ...any('mountPath', 'subPath', 'subPathExpr', 'readOnly', 'recursiveReadOnly'),
      name: { kind: 'NotNamed', names: PRIVATE_VOLUMES, what: 'names a volume of another container' },
    }),
  ),
  livenessProbe: HANDLER,
  readinessProbe: HANDLER,
  startupProbe: HANDLER,
  lifecycle: map({ postStart: HANDLER, preStop: HANDLER, stopSignal: ANY }),
  securityContext: CONTAINER_SECURITY,
})

const CONTAINER_LIST = list({
  kind: 'ByName',
  names: OUR_CONTAINERS,
  named: OUR_CONTAINER,
  others: OTHER_CONTAINER,
})

const VOLUME = map({
  name: { kind: 'NotNamed', names: OUR_VOLUMES, what: 'is the name of a volume that the operator renders' },
  ...any('configMap', 'secret', 'downwardAPI', 'emptyDir', 'persistentVolumeClaim', 'ephemeral', 'image'),
  // Without serviceAccountToken, clusterTrustBundle and podCertificate: no token for an audience of the author's choice.
  projected: map({ defaultMode: ANY, sources: list(map(any('configMap', 'secret', 'downwardAPI'))) }),
})

const POD = map({
  ...any('nodeSelector', 'tolerations', 'affinity', 'topologySpreadConstraints', 'schedulingGates'),
  ...any(
    'schedulerName',
    'priorityClassName',
    'priority',
    'preemptionPolicy',
    'runtimeClassName',
    'overhead',
  ),
  ...any('terminationGracePeriodSeconds', 'activeDeadlineSeconds', 'readinessGates', 'enableServiceLinks'),
  ...any('dnsPolicy', 'dnsConfig', 'hostAliases', 'hostname', 'subdomain', 'setHostnameAsFQDN'),
  ...any('imagePullSecrets', 'resources', 'resourceClaims'),
  securityContext: POD_SECURITY_SHAPE,
  volumes: list(VOLUME),
  initContainers: CONTAINER_LIST,
  containers: CONTAINER_LIST,
})

/** Annotations with which a runtime or a network plugin gives a pod more than its spec says. */
const STRONG_ANNOTATIONS = ['container.apparmor.security.beta.kubernetes.io/', 'k8s.v1.cni.cncf.io/']

/** spec.workers.template, spec.coordinator.template and spec.partitions[].workers.template. */
export const TEMPLATE_SHAPE: Shape = map({
  metadata: map({ labels: ANY, annotations: { kind: 'KeysWithout', beginnings: STRONG_ANNOTATIONS } }),
  spec: POD,
})
