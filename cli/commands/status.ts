// `fedsam status`: what a job in a cluster does now, who takes part, and what is waited for.
import { styleText } from 'node:util'
import { CLUSTER_OPTIONS, withCluster } from '../cluster/connect.ts'
import { findJob } from '../cluster/find-job.ts'
import { gatherFacts } from '../cluster/job-facts.ts'
import { viewOf } from '../cluster/job-view.ts'
import { jsonLine, plainData } from '../render/plain.ts'
import { print } from '../render/screen.ts'
import { type Paint, statusLines } from '../render/status.ts'
import { type RunCommand, readArguments } from './command.ts'

/** 0: the job is there, whatever its state. */
export const status: RunCommand = async (args) => {
  const options = { ...CLUSTER_OPTIONS, json: { type: 'boolean' } } as const
  const { values, positionals } = readArguments(args, options, ['NAME'])
  return withCluster(values, async (cluster) => {
    const view = viewOf(await gatherFacts(cluster, await findJob(cluster, positionals[0]!)))
    if (values.json) print(jsonLine(view))
    else print(statusLines(plainData(view), Date.now(), paintTerminal).join('\n'), { painted: true })
    return 0
  })
}

const COLOURS = { good: 'green', bad: 'red', waiting: 'yellow' } as const

/** Colours where standard output is a terminal that wants them (NO_COLOR is heard). */
export const paintTerminal: Paint = (tone, text) => styleText(COLOURS[tone], text, { stream: process.stdout })
