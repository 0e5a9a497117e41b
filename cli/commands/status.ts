// `fedsam status`: prints the state of a job in a cluster, its clients, and what it waits for.
import { styleText } from 'node:util'
import { CLUSTER_OPTIONS, withCluster } from '../cluster/connect.ts'
import { findJob } from '../cluster/find-job.ts'
import { gatherFacts } from '../cluster/job-facts.ts'
import { viewOf } from '../cluster/job-view.ts'
import { jsonLine, plainData } from '../render/plain.ts'
import { print } from '../render/screen.ts'
import { type Paint, statusLines } from '../render/status.ts'
import { type RunCommand, readArguments } from './command.ts'

/** Resolves to 0 for any state of an existing job. */
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

/** Colours where standard output is a terminal and NO_COLOR is not set. */
export const paintTerminal: Paint = (tone, text) => styleText(COLOURS[tone], text, { stream: process.stdout })
