// What the pods of a job, the programs in them and `kubectl fedsam` agree on besides variables: ports, paths of probes, containers.

/** The port of a coordinator's probes and metrics, unless a variable names another one. */
export const COORDINATOR_PORT = 8080

/** The paths under which a program answers the kubelet and Prometheus. */
export const PROBE_PATHS = { alive: '/livez', ready: '/readyz', metrics: '/metrics' } as const

/** The names of the containers. */
export const CONTAINERS = {
  coordinator: 'coordinator',
  /** The main container of a worker's pod. */
  trainer: 'trainer',
  /** The sidecars of a worker's pod: the network half, and the one that downloads an S3 source. */
  network: 'network',
  data: 'data',
} as const
