// The coordinator as a program: chooses S3 and NATS, reads its job from a file, prints the run's events as JSON lines.
import { readFile } from 'node:fs/promises'
import { FedsamError } from '#protocol/errors.ts'
import { systemClock } from '#transport/clock.ts'
import { natsOptions, requireVariables, s3Options } from '#transport/environment.ts'
import { connectNats } from '#transport/nats.ts'
import { runProgram } from '#transport/process.ts'
import { openS3Store } from '#transport/s3.ts'
import { type CoordinatedJob, compileFixed, compileLive, type LocalFiles } from './compile.ts'
import { coordinate } from './run.ts'
import { DEFAULT_PACE, type Pace } from './settings.ts'

/** What FEDSAM_JOB_FILE holds. */
export interface CoordinatorFile {
  readonly job: CoordinatedJob
  readonly files: LocalFiles
  readonly pace?: Partial<Pace>
}

await runProgram(process.env, async (signal) => {
  const { FEDSAM_JOB_FILE: file } = requireVariables(process.env, ['FEDSAM_JOB_FILE'])
  const { job, files, pace } = JSON.parse(await readFile(file, 'utf8')) as CoordinatorFile
  const store = openS3Store(s3Options(process.env))
  const onError = (error: unknown): void => console.error(error)
  const bus = await connectNats({ ...natsOptions(process.env, `coordinator-${job.name}`), onError })
  const live = compileLive(job)
  try {
    await coordinate({
      store,
      bus,
      fixed: compileFixed(job, files),
      live: () => live,
      clock: systemClock(),
      pace: { ...DEFAULT_PACE, ...pace },
      observe: (event) => process.stdout.write(`${JSON.stringify(event)}\n`),
      signal,
    })
  } catch (error) {
    // The record says that the run failed; a new coordinator would find the same.
    if (!(error instanceof FedsamError && error.code === 'RunFailed')) throw error
  } finally {
    await bus.close()
    await store.close()
  }
})
