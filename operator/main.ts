// The operator as a program: watches, takes part in the election, reconciles while it leads, serves probes and metrics, logs JSON
// lines, and stops on SIGTERM. It only chooses and connects the parts.
import { randomUUID } from 'node:crypto'
import pino from 'pino'
import { OPERATOR_NAME } from '#protocol/api.ts'
import { serveProbes } from '#runtime/probe-server.ts'
import { runProgram } from '#runtime/run-program.ts'
import { openKubernetes, podAccess } from '#transport/kubernetes/api.ts'
import { ApiError } from '#transport/kubernetes/calls.ts'
import { readEnvironment } from './environment.ts'
import { watchHealth } from './health.ts'
import { remembered } from './kubernetes/client/access.ts'
import { throttled } from './kubernetes/client/throttle.ts'
import type { Report } from './kubernetes/controller.ts'
import { Elector } from './kubernetes/election/elector.ts'
import { startOperator } from './kubernetes/operator.ts'
import { openMetrics } from './metrics.ts'
import { readSigning } from './signing.ts'

/** Connections for calls. With the nine watches of one namespace and the election's connection, a replica holds 17. */
const CALLS = 7

await runProgram(process.env, async (signal) => {
  const environment = readEnvironment(process.env, randomUUID())
  const { accountFolder, election, kubeconfig, rate, workers } = environment
  const log = pino({ base: { program: 'operator' } })
  const report = ({ error, ...about }: Report): void => {
    // A Conflict is usual: another client wrote first, and the next pass decides on the new object.
    const usual = error instanceof ApiError && error.reason === 'Conflict'
    log[usual ? 'info' : 'warn']({ ...about, err: error }, String(error))
  }
  const connect = async (calls: number) => {
    if (!kubeconfig) return openKubernetes(remembered(podAccess(process.env, accountFolder)), { calls })
    // Loaded only for a kubeconfig: client-node takes 90 MB of memory.
    const { connectKubernetes } = await import('./kubernetes/client/client.ts')
    return connectKubernetes({ kubeconfig, calls })
  }
  const [client, leases] = [await connect(CALLS), await connect(1)]
  const metrics = openMetrics(workers)
  const elector =
    election &&
    new Elector(metrics.metered(leases, 'kubernetes'), {
      ...election,
      name: OPERATOR_NAME,
      onError: (error) => report({ error }),
      signal,
    })
  const signing = await readSigning(environment.signingFolder)
  // For users who verify an output: workers, which have it too, are gone when a job is complete.
  log.info(`certifies coordinators with the public key ${signing.certifier.publicKey}`)
  const operator = startOperator(throttled(metrics.metered(client, 'kubernetes'), rate), elector, {
    ...environment,
    settings: { ...environment.settings, ...signing },
    report,
    now: () => Date.now(),
    meter: metrics.meter,
    signal,
  })
  const { cache, queue } = operator.controller
  metrics.observe({
    queue,
    *states() {
      for (const { status } of cache.jobs())
        yield String((status?.summary as { state?: string })?.state ?? '')
    },
    isLeader: () => elector?.isLeader() ?? true,
    connections: () => client.connections() + leases.connections(),
  })
  const health = watchHealth(() => queue.running())
  const ready = (): string | undefined => (cache.isSynced() ? undefined : 'the first lists are not complete')
  const onError = (error: unknown): void => report({ error })
  const servers = await Promise.all([
    serveProbes({ port: environment.probePort, alive: health.problem, ready, onError }),
    serveProbes({ port: environment.metricsPort, metrics, onError }),
  ])
  try {
    await operator.done
  } finally {
    health.close()
    await Promise.all(servers.map((server) => server.close()))
    client.close()
    leases.close()
  }
})
