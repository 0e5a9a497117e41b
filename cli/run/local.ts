// Runs a whole job in this process and the child processes of its trainers, with a folder in place of S3 and an in-process bus in
// place of NATS. Coordinator and worker are the same code as in a cluster.
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { certifyBy } from '#coordinator/clients/local-certifier.ts'
import { coordinate, type RunOutcome } from '#coordinator/run/run-from-record.ts'
import { compileFixed, compileLive } from '#coordinator/settings/from-spec.ts'
import { programCommand } from '#coordinator/settings/program-command.ts'
import { DEFAULT_PACE } from '#coordinator/settings/settings.ts'
import { subjectPrefix } from '#protocol/messages.ts'
import { systemClock } from '#runtime/clock.ts'
import { newSigningKey } from '#runtime/signing-key.ts'
import { createInProcessBus } from '#transport/bus/in-process/bus.ts'
import { createGrantedTransfers } from '#transport/grants/transfers.ts'
import { openFilesystemStore } from '#transport/store/filesystem/store.ts'
import { serveRun } from '#worker/network/client.ts'
import { messageWithRemedy } from '#worker/network/error-message.ts'
import { childTrainer } from '#worker/trainer/process-trainer.ts'
import type { LocalRun } from './local-run.ts'
import { openSourceRecord } from './source-record.ts'
import { trainerCommand } from './trainer-command.ts'
import { watchWorkerLoss } from './worker-loss.ts'

/** Shorter times than in a cluster, in seconds: progress shows sooner, and all parts are on one machine. */
const LOCAL_PACE = { ...DEFAULT_PACE, holdSeconds: 1, farewellSeconds: 10 }

/** Runs the job to its end; resumes from the record in its output folder. */
export async function runLocally(run: LocalRun): Promise<RunOutcome> {
  const { job, output, log, signal } = run
  const clock = systemClock()
  const store = await openFilesystemStore({ folder: output })
  const bus = createInProcessBus({ onError: (error) => log('coordinator', String(error)) })
  const transfers = createGrantedTransfers()
  const fixed = compileFixed(job, run.files, openSourceRecord)
  const live = compileLive(job)
  // Nothing that signs is written: each start of the command has keys of its own.
  const certifier = newSigningKey()
  run.onCertifier?.(certifier.publicKey)
  const program = programCommand(run)
  const over = new AbortController()
  const stop = AbortSignal.any([signal, over.signal])
  const workers = run.spec.partitions.map(async ({ name: client }) => {
    const scratch = join(output, 'scratch', client)
    const trainer = childTrainer({
      ...trainerCommand(run, client, scratch),
      noProgressSeconds: job.spec.round.noProgressSeconds,
      clock,
      log: (line) => log(client, line),
    })
    await serveRun({
      client,
      incarnation: randomBytes(8).toString('hex'),
      prefix: subjectPrefix(fixed.namespace, fixed.uid),
      bus,
      key: newSigningKey(),
      trust: [certifier.publicKey],
      transfers,
      trainer,
      clock,
      folder: scratch,
      answerSeconds: 30,
      silenceSeconds: 600,
      log: (line) => log(client, line),
      signal: stop,
    })
  })
  // Rounds tolerate a failed worker: log its reason. The watch ends the run only where too few workers are left.
  const workerLoss = watchWorkerLoss(run)
  const settled = workers.map((worker, i) =>
    worker.catch((error: unknown) => {
      if (stop.aborted) return
      const { name } = job.spec.partitions[i]!
      const why = messageWithRemedy(error)
      log(name, why)
      workerLoss.lost(name, why)
    }),
  )
  try {
    const { observe, signal } = workerLoss
    return await coordinate({
      store,
      bus,
      fixed,
      live: () => live,
      clock,
      pace: LOCAL_PACE,
      observe,
      certify: certifyBy(certifier, fixed),
      ...(program === undefined ? {} : { program }),
      log: (line) => log('program', line),
      signal,
    })
  } catch (error) {
    throw workerLoss.explain(error)
  } finally {
    over.abort()
    await Promise.all(settled)
    await bus.close()
    await store.close()
  }
}
