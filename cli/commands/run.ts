// `fedsam run`: runs a whole job on this machine, from its file to its output and its report. With the same output folder it
// resumes. One run at a time owns an output folder; it refuses a job that does not fit the folder before anything starts.
import { stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { compileFixed } from '#coordinator/settings/from-spec.ts'
import { FedsamError } from '#protocol/errors.ts'
import type { RunEvent } from '#protocol/events.ts'
import { withoutSites } from '#protocol/external.ts'
import type { CompleteFederatedJobSpec } from '#protocol/generated/federatedjob.ts'
import { MANIFEST_KEY } from '#protocol/keys.ts'
import { trainerEnvironment } from '#worker/trainer/trainer-environment.ts'
import { APP_OPTIONS, type AppOptions, appOptions, loadJobOrApp } from '../flower/load.ts'
import { resolveLocalPaths } from '../job/paths.ts'
import { localRemarks } from '../plan/remarks.ts'
import { createBackendHint } from '../render/backend-hint.ts'
import { createEventLines } from '../render/lines.ts'
import { jsonLine, plainData } from '../render/plain.ts'
import { openScreen, print, type Screen } from '../render/screen.ts'
import type { ReportOptions } from '../report/write.ts'
import { watchInterrupts } from '../run/interrupts.ts'
import { noteSpec } from '../run/last-spec.ts'
import type { LocalRun } from '../run/local-run.ts'
import { lockOutput } from '../run/lock.ts'
import {
  checkWritable,
  moveAside,
  readManifest,
  readOutput,
  readProgramMetrics,
  recordOf,
} from '../run/output-folder.ts'
import { decideOutput, type OutputState, type WantedRun } from '../run/output-state.ts'
import { checkInitialParameters, refuseSuspended } from '../run/prepare.ts'
import { openRecordFolder } from '../run/record-folder.ts'
import { checkSource, refuseSource, sourceAddress } from '../run/source-record.ts'
import { trainerCommand } from '../run/trainer-command.ts'
import { type RunCommand, readArguments } from './command.ts'

/** Builds native TensorFlow. */
const BUILD = fileURLToPath(new URL('../../worker/tensorflow/addon/build.ts', import.meta.url))

/** The command's body. */
export const run: RunCommand = async (args) => {
  const { values, positionals } = readArguments(
    args,
    {
      output: { type: 'string' },
      set: { type: 'string', multiple: true },
      'pass-env': { type: 'string', multiple: true },
      processes: { type: 'boolean' },
      json: { type: 'boolean' },
      ...APP_OPTIONS,
    },
    ['JOB.yaml'],
  )
  const screen = openScreen(process.stdout, process.stderr)
  const job = await prepareJob(positionals[0]!, {
    sets: values.set ?? [],
    app: appOptions(values),
    env: trainerEnvironment(process.env, values['pass-env']),
    processes: values.processes ?? false,
    json: values.json ?? false,
    screen,
    ...(values.output === undefined ? {} : { output: values.output }),
  })
  const report = async (failure?: FedsamError): Promise<void> => {
    if (!hasReport(job.spec)) return
    const path = await tryReport(job, screen, failure)
    if (path !== undefined && values.json !== true) screen.say(`report: ${path}`)
  }
  try {
    await job.run()
  } catch (error) {
    // Write nothing to a folder that belongs to another run.
    if (error instanceof FedsamError && error.code !== 'OutputInUse') await report(error)
    throw error
  }
  if (!job.settled) await report()
  return 0
}

export interface RunJobOptions {
  readonly sets: readonly string[]
  /** For the folder of a Flower app in place of a job file. */
  readonly app?: AppOptions
  /** The environment variables of every trainer. */
  readonly env: LocalRun['env']
  readonly output?: string
  readonly processes: boolean
  /** Events as JSON lines in place of sentences. */
  readonly json: boolean
  readonly screen: Screen
}

/** A job that has passed all checks. */
export interface PreparedJob extends Omit<ReportOptions, 'failure' | 'comparison'> {
  /** Whether output and report are complete: then `run` starts nothing. */
  readonly settled: boolean
  /** Runs it to its end, or resumes it. Throws FedsamError. */
  run(): Promise<void>
}

/** Checks a job file and everything that it names, without writing anything. Throws FedsamError. */
export async function prepareJob(file: string, options: RunJobOptions): Promise<PreparedJob> {
  const { screen } = options
  const say = (line: string): void => {
    if (!options.json) screen.say(line)
  }
  const loaded = await loadJobOrApp(file, { app: {}, ...options })
  const spec = resolveLocalPaths(loaded)
  refuseSuspended(spec)
  for (const line of localRemarks(spec)) say(line)
  const output = resolve(options.output ?? `fedsam-run/${loaded.name}`)
  const { name, namespace, folder } = loaded
  const localSpec = { ...loaded.spec, partitions: withoutSites(loaded.spec.partitions) }
  const job = { name, namespace, uid: 'local', generation: 1, spec: localSpec }
  const initialParameters = spec.model.initialParameters
  const resumeFrom = await sourceAddress(spec)
  const fixed = compileFixed(job, { checkpoint: null, initialParameters, resumeFrom })
  const wanted: WantedRun = {
    output,
    name,
    fixedSpec: fixed.spec,
    spec: { ...loaded.spec },
    rounds: spec.rounds,
    kind: options.processes ? 'Processes' : 'OneProcess',
  }
  await refuseSource(spec, { output, processes: options.processes })
  await checkWritable(output)
  const state = decideOutput(wanted, await readOutput(output))
  const settled =
    state.kind === 'Complete' && (!hasReport(spec) || (await isFile(join(output, 'report.html'))))
  if (settled) {
    const run = () => sayComplete(wanted, { ...options, say })
    return { spec, output, checkpoint: null, heldOut: [], settled, run }
  }
  const { checkpoint, heldOut } = await inspectInputs(spec, say)
  // The record of a run that began has them.
  if (state.kind === 'Begin') {
    await checkInitialParameters(spec, checkpoint)
    await checkSource(spec, checkpoint)
  }
  const files = { checkpoint, initialParameters, resumeFrom }
  // Throws for a trainer command that cannot run on this machine, before anything is written.
  trainerCommand({ spec, folder, files, env: options.env }, spec.partitions[0]!.name, output)
  const prepared = { job, spec, files, folder, env: options.env, output }
  const run = () => runLocked(wanted, prepared, { ...options, say })
  return { spec, output, checkpoint, heldOut, settled, run }
}

/** A report shows rounds. What the program of a Program run did is in its output, as the program left it. */
function hasReport({ strategy }: CompleteFederatedJobSpec): boolean {
  return strategy.type !== 'Program'
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  )
}

type Running = RunJobOptions & { readonly say: (line: string) => void }
type Prepared = Pick<LocalRun, 'job' | 'spec' | 'files' | 'folder' | 'env' | 'output'>

/** Runs the job as the owner of its output folder. Reads the folder again: another run may have changed it before the lock. */
async function runLocked(wanted: WantedRun, prepared: Prepared, options: Running): Promise<void> {
  const { output } = wanted
  const lock = await lockOutput(output)
  try {
    const state = decideOutput(wanted, await readOutput(output))
    if (state.kind === 'Complete') return await sayComplete(wanted, options)
    sayContinued(state, wanted, options.say)
    await moveAside(recordOf(output, wanted.kind), state)
    await noteSpec(output, wanted.spec)
    await runPrepared(prepared, options)
  } finally {
    await lock.release()
  }
}

function sayContinued(state: OutputState, { rounds }: WantedRun, say: Running['say']): void {
  if (state.kind !== 'Continue') return
  say(`the output was complete after round ${state.from}; the run continues to round ${rounds}`)
  say('the earlier output moves to the folder replaced/ in the record')
}

/** Prints the end of a complete run, as the run itself printed it. Starts nothing. */
async function sayComplete({ output, kind }: WantedRun, { json, say }: Running): Promise<void> {
  const store = await openRecordFolder(recordOf(output, kind))
  const manifest = await readManifest(store)
  if (manifest === undefined) return
  const { rounds, evaluation, round, head, files } = manifest
  const digest = files.find(({ name }) => name === 'model.safetensors')?.sha256 ?? ''
  const program = await readProgramMetrics(store)
  const event: RunEvent = {
    event: 'RunCompleted',
    ...(program === undefined ? {} : { program }),
    rounds,
    output: MANIFEST_KEY,
    evaluation,
    round,
    digest,
    head,
  }
  say(`output: ${output}`)
  if (json) print(jsonLine(event))
  else say(`${createEventLines(rounds)(event).said}`)
  say('the job has not changed and its output is complete, so nothing was run')
}

async function runPrepared(prepared: Prepared, { processes, json, screen, say }: Running): Promise<void> {
  say(`output: ${prepared.output}`)
  const lines = createEventLines(prepared.spec.rounds)
  const hint = createBackendHint(prepared.spec, `node ${BUILD}`)
  const observe = (event: RunEvent): void => {
    if (json) {
      print(jsonLine(event))
      return
    }
    const { said, live } = lines(plainData(event))
    if (live !== undefined) screen.live(live)
    if (said !== undefined) screen.say(said)
    const hinted = hint(event)
    if (hinted !== undefined) screen.say(hinted)
  }
  const log = (client: string, line: string): void => screen.note(`[${client}] ${line}`)
  const interrupts = watchInterrupts()
  try {
    const start = await (processes ? inProcesses() : inThisProcess())
    let certifier = ''
    const onCertifier = (publicKey: string): void => {
      certifier = publicKey
    }
    await start({ ...prepared, observe, log, onCertifier, signal: interrupts.signal })
    // The key must be kept outside of the output: an attacker who changes the output could change a key beside it.
    const signed = `signed: fedsam verify ${prepared.output} --trust ${certifier} verifies the output, also elsewhere`
    if (json) screen.note(signed)
    else say(signed)
  } finally {
    screen.live('')
    interrupts.stop()
  }
}

// Code that only some runs need is loaded on demand: for small models, loading it takes most of the run's memory.
const inThisProcess = async () => (await import('../run/local.ts')).runLocally
const inProcesses = async () => (await import('../run/processes.ts')).runInProcesses

/** Inspects checkpoint and data of the built-in trainer. The user's own trainer checks its own data. */
async function inspectInputs(
  spec: CompleteFederatedJobSpec,
  say: (line: string) => void,
): Promise<Pick<PreparedJob, 'checkpoint' | 'heldOut'>> {
  if (spec.trainer.type !== 'SegmentAnything') return { checkpoint: null, heldOut: [] }
  const { preflight } = await import('../run/segment-anything.ts')
  const { folder, reports } = await preflight(spec, say)
  const heldOut = reports.map(({ name, report }) => ({ name, stems: report.split.heldOut }))
  return { checkpoint: folder, heldOut }
}

/** Writes the report. A failure prints one line on stderr and does not fail the run. */
async function tryReport(job: PreparedJob, screen: Screen, error?: FedsamError): Promise<string | undefined> {
  const failure = error === undefined || error.code === 'Interrupted' ? {} : { failure: error.message }
  try {
    const { writeReport } = await import('../report/write.ts')
    return await writeReport({ ...job, ...failure })
  } catch (cause) {
    screen.note(`the report could not be written: ${cause instanceof Error ? cause.message : String(cause)}`)
    return undefined
  }
}
