// The network half of a worker as a program: connects NATS, granted URLs and the trainer, then serves the run to its end. The
// trainer is a child process, or in a pod the container beside this one, behind two FIFOs.
import { randomBytes } from 'node:crypto'
import { FedsamError } from '#protocol/errors.ts'
import { systemClock } from '#runtime/clock.ts'
import { retry } from '#runtime/retry.ts'
import { reportFailure, runProgram, untilStopped } from '#runtime/run-program.ts'
import { keptSigningKey, newSigningKey } from '#runtime/signing-key.ts'
import { connectNats, type NatsOptions } from '#transport/bus/nats/bus.ts'
import { createGrantedTransfers } from '#transport/grants/transfers.ts'
import type { MessageBus } from '#transport/ports.ts'
import { type WorkerSettings, workerSettings } from './environment.ts'
import { fetchBase } from './network/base-checkpoint.ts'
import { serveRun } from './network/client.ts'
import type { WorkerOptions } from './network/options.ts'
import { wasSeamLeft } from './trainer/fifos.ts'
import { childTrainer, podTrainer } from './trainer/process-trainer.ts'

/**
 * Seconds without a coordinator after which the worker ends and its pod restarts: longer than a coordinator's pod takes to move.
 */
const SILENCE_SECONDS = 600
/** Seconds in which a worker tries to connect to the bus, and the pauses between the tries. */
const PATIENCE_SECONDS = 30
const BACKOFF = { first: 0.5, longest: 4 }

await runProgram(process.env, async (signal) => {
  const settings = workerSettings(process.env)
  if (settings.trainer.kind === 'Child') return serve(settings, signal)
  // The trainer's container may run as another user, and each half reads and replaces files of the other.
  process.umask(0)
  const { seam } = settings.trainer
  if (!wasSeamLeft(seam)) {
    try {
      await serve(settings, signal)
    } catch (error) {
      // Without an exit code in the seam, the trainer's container still waits: exit, and let the kubelet restart this sidecar.
      const interrupted = error instanceof FedsamError && error.code === 'Interrupted'
      if (interrupted || !wasSeamLeft(seam)) throw error
      reportFailure(process.env, error)
    }
  }
  // The kubelet restarts a sidecar that ends. So wait: the pod ends with its trainer, and then the kubelet stops this process.
  return untilStopped(signal)
})

async function serve(settings: WorkerSettings, signal: AbortSignal): Promise<void> {
  const { client, subjects, scratch, answerSeconds, trust, stores, keyFile, nats } = settings
  const clock = systemClock()
  const transfers = createGrantedTransfers({ stores })
  const key = keyFile === '' ? newSigningKey() : await keptSigningKey(keyFile)
  const log = (line: string): void => void process.stderr.write(`${line}\n`)
  log(`the public key of ${client} is ${key.publicKey}`)
  const bus = await connect(nats, { clock, signal, log })
  try {
    await serveRun({
      client,
      incarnation: randomBytes(8).toString('hex'),
      prefix: subjects,
      bus,
      transfers,
      ...trainerOf(settings, { clock, transfers, signal, log }),
      key,
      trust,
      clock,
      folder: scratch,
      answerSeconds,
      silenceSeconds: SILENCE_SECONDS,
      log,
      signal,
    })
  } finally {
    await bus.close()
  }
}

/**
 * Retries for a while: a worker may start before the NATS server, or while the gate has not seen its job yet. Then it ends with the
 * reason, and its pod restarts it.
 */
function connect(
  nats: NatsOptions,
  { clock, signal, log }: Pick<WorkerOptions, 'clock' | 'signal' | 'log'>,
): Promise<MessageBus> {
  const until = clock.now() + PATIENCE_SECONDS
  const onError = (error: unknown): void => log(String(error))
  return retry(() => connectNats({ ...nats, onError }), {
    backoff: BACKOFF,
    onFailure(error) {
      if (clock.now() > until || !(error instanceof FedsamError) || error.code !== 'MessagingUnreachable')
        throw error
      log(`${error.message}; the worker tries again`)
      return undefined
    },
    signal,
    clock,
  })
}

function trainerOf(
  { trainer, noProgressSeconds }: WorkerSettings,
  { clock, transfers, signal, log }: Pick<WorkerOptions, 'clock' | 'transfers' | 'signal' | 'log'>,
): Pick<WorkerOptions, 'trainer' | 'prepare'> {
  const life = { noProgressSeconds, clock, log }
  if (trainer.kind === 'Child') return { trainer: childTrainer({ ...trainer.program, ...life }) }
  const { seam, cache, base } = trainer
  if (!base) return { trainer: podTrainer(seam, life) }
  return {
    trainer: podTrainer(seam, life),
    prepare(ask, report) {
      const logged = (message: string): void => {
        log(message)
        report(message)
      }
      return fetchBase({ cache, ask, transfers, clock, signal, report: logged })
    },
  }
}
