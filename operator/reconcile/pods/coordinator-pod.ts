// The pod of a job's coordinator. It gets the settings and Secrets of store, bus and checkpoint, an account of its
// own for the Kubernetes API, one port for metrics and probes, and no folder to write to but /tmp. Pure.
import { type CLUSTER_JOB, COORDINATOR_POD, environmentOf, type Written } from '#protocol/environment.ts'
import type { CompleteFederatedJobSpec } from '#protocol/generated/federatedjob.ts'
import { COORDINATOR, coordinatorAccount } from '#protocol/identity.ts'
import { CONTAINERS, COORDINATOR_PORT, PROBE_PATHS } from '#protocol/pods.ts'
import { podLabels } from '../../objects/labels.ts'
import type { Settings } from '../../objects/settings.ts'
import type { Json, StoredJob } from '../../objects/shapes.ts'
import { overlay } from './overlay.ts'
import { CONTAINER_SECURITY, POD_SECURITY } from './security.ts'
import { checkpointParts, join, natsParts, s3Parts, variables } from './settings.ts'

/** Bytes of memory that the program needs beside spec.coordinator.memoryBytes, the bound of aggregation. */
const PROGRAM_BYTES = 256 * 1024 * 1024

/** Size of /tmp: the checkpoint and the initial parameters that the run fetches, before they are in the record. */
const TMP_SIZE = '20Gi'

export function coordinatorTemplate(
  job: StoredJob,
  spec: CompleteFederatedJobSpec,
  settings: Settings,
): Json {
  const { name } = job.metadata
  const { coordinator } = spec
  const [nats, s3, checkpoint] = [
    natsParts(spec, job, COORDINATOR),
    s3Parts(spec, job),
    checkpointParts(spec),
  ]
  const parts = join(nats, s3, checkpoint)
  const values = { ...clusterJob(job), ...nats.values, ...s3.values, ...checkpoint.values }
  const template = {
    metadata: { labels: podLabels(name, 'coordinator') },
    spec: {
      restartPolicy: 'Never',
      serviceAccountName: coordinatorAccount(name, spec),
      automountServiceAccountToken: true,
      enableServiceLinks: false,
      imagePullSecrets: settings.pullSecrets.map((secret) => ({ name: secret })),
      terminationGracePeriodSeconds: 30,
      securityContext: POD_SECURITY,
      nodeSelector: coordinator.nodeSelector,
      tolerations: coordinator.tolerations,
      containers: [
        {
          name: CONTAINERS.coordinator,
          image: settings.images.coordinator,
          imagePullPolicy: settings.pullPolicy,
          env: [...variables(environmentOf(COORDINATOR_POD, values)), ...parts.env],
          envFrom: parts.envFrom,
          ports: [{ name: 'metrics', containerPort: COORDINATOR_PORT }],
          ...probes(),
          resources: resourcesOf(coordinator),
          securityContext: CONTAINER_SECURITY,
          volumeMounts: [{ name: 'tmp', mountPath: '/tmp' }, ...parts.mounts],
          terminationMessagePolicy: 'FallbackToLogsOnError',
        },
      ],
      volumes: [{ name: 'tmp', emptyDir: { sizeLimit: TMP_SIZE } }, ...parts.volumes],
    },
  }
  return overlay(template, coordinator.template, settings.podTemplates)
}

function clusterJob({ metadata: { namespace, name, uid } }: StoredJob): Written<typeof CLUSTER_JOB> {
  return {
    jobNamespace: namespace,
    jobName: name,
    jobUid: uid,
    // The kubelet's own folder, and the port that the container declares.
    serviceAccount: undefined,
    metricsPort: undefined,
  }
}

/** Long periods and time-outs: a coordinator that folds a large model answers slowly, and is not dead. */
function probes(): Json {
  const at = (path: string): Json => ({ httpGet: { path, port: 'metrics' }, timeoutSeconds: 10 })
  return {
    startupProbe: { ...at(PROBE_PATHS.alive), periodSeconds: 2, failureThreshold: 60 },
    livenessProbe: { ...at(PROBE_PATHS.alive), periodSeconds: 30, failureThreshold: 10 },
    readinessProbe: { ...at(PROBE_PATHS.ready), periodSeconds: 5 },
  }
}

/** The user's resources. A resource without request and limit is requested as aggregation uses it. */
function resourcesOf({ resources, memoryBytes }: CompleteFederatedJobSpec['coordinator']): Json {
  const usual = { cpu: '100m', memory: String(memoryBytes + PROGRAM_BYTES) }
  const unset = Object.entries(usual).filter(([name]) => resources.limits?.[name] === undefined)
  const requests = { ...Object.fromEntries(unset), ...resources.requests }
  return { requests, ...(resources.limits ? { limits: resources.limits } : {}) }
}
