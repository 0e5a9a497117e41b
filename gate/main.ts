// The gate as a program: decides which pods and sites may connect to a nats-server of FedSAM's own, and which subjects each may use. It watches
// FederatedJobs, reads the keys of the cluster's tokens, and keeps no state: two of them share the work. It only chooses and connects the parts.
import pino from 'pino'
import { systemClock } from '#runtime/clock.ts'
import { serveProbes } from '#runtime/probe-server.ts'
import { retry } from '#runtime/retry.ts'
import { runProgram } from '#runtime/run-program.ts'
import { connectNats } from '#transport/bus/nats/bus.ts'
import { openKubernetes, podAccess } from '#transport/kubernetes/api.ts'
import { openClusterKeys } from '#transport/kubernetes/keys.ts'
import type { MessageBus } from '#transport/ports.ts'
import { podTokens } from './authenticators/pod-tokens.ts'
import { sites } from './authenticators/sites.ts'
import { createCallout } from './callout.ts'
import { readGate, readKeys } from './environment.ts'
import { followJobs } from './jobs.ts'
import { openMetrics } from './metrics.ts'
import { createRefusals } from './refusals.ts'
import { CALLOUT_SUBJECT } from './server-config.ts'

/** Seconds between two tries to connect to the nats-server. */
const BACKOFF = { first: 0.5, longest: 5 }
/** The queue group of all gates: the server asks one of them. */
const GROUP = 'gate'

await runProgram(process.env, async (signal) => {
  const { natsUrl, natsCa, namespaces, accountFolder, metricsPort, seeds } = readGate(process.env)
  const { issuer, user } = await readKeys(seeds)
  const clock = systemClock()
  const log = pino({ base: { program: 'gate' } })
  const onError = (error: unknown): void => log.warn({ err: error }, String(error))
  const client = openKubernetes(podAccess(process.env, accountFolder))
  const metrics = openMetrics()
  let hindrance: string | undefined = 'the first list of FederatedJobs is not complete'
  const probes = await serveProbes({
    port: metricsPort,
    alive: () => undefined,
    ready: () => hindrance,
    metrics,
    onError,
  })
  const jobs = followJobs(client, { namespaces, onError, signal })
  let bus: MessageBus | undefined
  try {
    // Without the jobs the gate would refuse everybody: until then another gate answers, or none.
    await Promise.race([jobs.synced, jobs.done])
    hindrance = `the NATS server ${natsUrl} does not admit the gate`
    bus = await retry(
      () =>
        connectNats({
          url: natsUrl,
          name: 'gate',
          credentials: { nkeySeed: user.seed },
          ...(natsCa === '' ? {} : { tls: { caFile: natsCa } }),
          group: GROUP,
          onError,
        }),
      { backoff: BACKOFF, onFailure: (error) => void onError(error), signal, clock },
    )
    const answer = createCallout({
      issuer,
      // One row for each kind of credentials.
      authenticators: [
        podTokens({ jobs, keys: openClusterKeys(client, clock), now: () => Date.now() }),
        sites({ jobs, now: () => clock.now(), random: Math.random }),
      ],
      onVerdict: createRefusals({
        write: (line, text) => log.warn(line, text),
        count: metrics.count,
        now: () => clock.now(),
      }),
    })
    await bus.serve(CALLOUT_SUBJECT, (_, body) => answer(body))
    hindrance = undefined
    log.info(`answers for ${natsUrl}`)
    await jobs.done
  } finally {
    await bus?.close()
    client.close()
    await probes.close()
  }
})
