// `fedsam run`: a whole job on this machine, from its file to its output and its report. On the same output it goes on where
// it was.
import { resolve } from 'node:path'
import { compileFixed } from '#coordinator/compile.ts'
import { FedsamError } from '#protocol/errors.ts'
import type { RunEvent } from '#protocol/events.ts'
import type { CompleteFederatedJobSpec } from '#protocol/generated/federatedjob.ts'
import { loadJob } from '../job/load.ts'
import { resolveLocalPaths } from '../job/paths.ts'
import { createEventLines } from '../render/lines.ts'
import { openScreen, type Screen } from '../render/screen.ts'
import type { ReportOptions } from '../report/write.ts'
import { watchInterrupts } from '../run/interrupts.ts'
import type { LocalRun } from '../run/local.ts'
import { checkOutput, refuseUnsupported } from '../run/prepare.ts'
import { processRecord } from '../run/record-folder.ts'
import { type RunCommand, readArguments } from './command.ts'

/** The command's body. */
export const run: RunCommand = async (args) => {
  const { values, positionals } = readArguments(
    args,
    {
      output: { type: 'string' },
      set: { type: 'string', multiple: true },
      processes: { type: 'boolean' },
      json: { type: 'boolean' },
    },
    ['JOB.yaml'],
  )
  const screen = openScreen(process.stdout, process.stderr)
  const job = await prepareJob(positionals[0]!, {
    sets: values.set ?? [],
    processes: values.processes ?? false,
    json: values.json ?? false,
    screen,
    ...(values.output === undefined ? {} : { output: values.output }),
  })
  const report = async (failure?: FedsamError): Promise<void> => {
    const path = await tryReport(job, screen, failure)
    if (path !== undefined && values.json !== true) screen.say(`report: ${path}`)
  }
  try {
    await job.run()
  } catch (error) {
    // A folder that turned out to be another run's is left as it is.
    if (error instanceof FedsamError && error.code !== 'OutputInUse') await report(error)
    throw error
  }
  await report()
  return 0
}

export interface RunJobOptions {
  readonly sets: readonly string[]
  readonly output?: string
  readonly processes: boolean
  /** Events as JSON lines in place of sentences. */
  readonly json: boolean
  readonly screen: Screen
}

/** A job that was checked and may run. */
export interface PreparedJob extends Omit<ReportOptions, 'failure' | 'comparison'> {
  /** Runs it to its end, or on from where its output stands. Throws FedsamError. */
  run(): Promise<void>
}

/** Checks a job file and everything that it names; nothing is written yet. Throws FedsamError. */
export async function prepareJob(file: string, options: RunJobOptions): Promise<PreparedJob> {
  const { screen } = options
  const say = (line: string): void => {
    if (!options.json) screen.say(line)
  }
  const loaded = await loadJob(file, options.sets)
  const spec = resolveLocalPaths(loaded)
  refuseUnsupported(spec)
  const output = resolve(options.output ?? `fedsam-run/${loaded.name}`)
  const { checkpoint, heldOut } = await inspectInputs(spec, say)
  const { name, namespace, folder } = loaded
  const job = { name, namespace, uid: 'local', generation: 1, spec: loaded.spec }
  const files = { checkpoint, initialParameters: spec.model.initialParameters }
  const record = options.processes ? processRecord(output) : output
  await checkOutput(output, record, compileFixed(job, files))
  const run = () => runPrepared({ job, spec, files, folder, output }, { ...options, say })
  return { spec, output, checkpoint, heldOut, run }
}

async function runPrepared(
  prepared: Pick<LocalRun, 'job' | 'spec' | 'files' | 'folder' | 'output'>,
  { processes, json, screen, say }: RunJobOptions & { say: (line: string) => void },
): Promise<void> {
  say(`output: ${prepared.output}`)
  const lines = createEventLines(prepared.spec.rounds)
  const observe = (event: RunEvent): void => {
    if (json) return void process.stdout.write(`${JSON.stringify(event)}\n`)
    const { said, live } = lines(event)
    if (live !== undefined) screen.live(live)
    if (said !== undefined) screen.say(said)
  }
  const log = (client: string, line: string): void => screen.note(`[${client}] ${line}`)
  const interrupts = watchInterrupts()
  try {
    const start = await (processes ? inProcesses() : inThisProcess())
    await start({ ...prepared, observe, log, signal: interrupts.signal })
  } finally {
    screen.live('')
    interrupts.stop()
  }
}

// What only some runs need, or need only at their end, is loaded then: a run of small models is little else than its code.
const inThisProcess = async () => (await import('../run/local.ts')).runLocally
const inProcesses = async () => (await import('../run/processes.ts')).runInProcesses

/** The built-in trainer's checkpoint and data; the data of a trainer of the user's is its own matter. */
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

/** A report that cannot be written is told, and changes nothing about the run. */
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
