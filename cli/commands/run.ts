// `fedsam run`: a whole job on this machine, from its file to its output. On the same output it goes on where it was.
import { resolve } from 'node:path'
import { compileFixed } from '#coordinator/compile.ts'
import type { RunEvent } from '#protocol/events.ts'
import { formatReport } from '#worker/data/report.ts'
import { loadJob } from '../job/load.ts'
import { resolveLocalPaths } from '../job/paths.ts'
import { eventLine } from '../render/lines.ts'
import { watchInterrupts } from '../run/interrupts.ts'
import { runLocally } from '../run/local.ts'
import { checkOutput, inspectPartitions, refuseUnsupported, resolveCheckpoint } from '../run/prepare.ts'
import { processRecord, runInProcesses } from '../run/processes.ts'
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
  await runJob(positionals[0]!, {
    sets: values.set ?? [],
    processes: values.processes ?? false,
    json: values.json ?? false,
    ...(values.output === undefined ? {} : { output: values.output }),
  })
  return 0
}

export interface RunJobOptions {
  readonly sets: readonly string[]
  readonly output?: string
  readonly processes: boolean
  readonly json: boolean
  /** Hears every event beside the printing. */
  readonly observe?: (event: RunEvent) => void
}

/** Checks and runs a job file; resolves to the output folder. Throws FedsamError. */
export async function runJob(file: string, options: RunJobOptions): Promise<string> {
  const say = (line: string): void => {
    if (!options.json) process.stdout.write(`${line}\n`)
  }
  const loaded = await loadJob(file, options.sets)
  const spec = resolveLocalPaths(loaded)
  refuseUnsupported(spec)
  const output = resolve(options.output ?? `fedsam-run/${loaded.name}`)
  const checkpoint = await resolveCheckpoint(spec, say)
  const { name, namespace } = loaded
  const job = { name, namespace, uid: 'local', generation: 1, spec: loaded.spec }
  const files = { checkpoint, initialParameters: spec.model.initialParameters }
  if (spec.trainer.type !== 'Command') {
    for (const { name: partition, report } of await inspectPartitions(spec))
      say(formatReport(partition, report))
  }
  await checkOutput(output, options.processes ? processRecord(output) : output, compileFixed(job, files))
  say(`output: ${output}`)

  const observe = (event: RunEvent): void => {
    if (options.json) process.stdout.write(`${JSON.stringify(event)}\n`)
    const line = eventLine(event, spec.rounds)
    if (line !== undefined) say(line)
    options.observe?.(event)
  }
  const interrupts = watchInterrupts()
  try {
    const run = options.processes ? runInProcesses : runLocally
    await run({
      job,
      spec,
      files,
      folder: loaded.folder,
      output,
      observe,
      log: (client, line) => process.stderr.write(`[${client}] ${line}\n`),
      signal: interrupts.signal,
    })
    return output
  } finally {
    interrupts.stop()
  }
}
