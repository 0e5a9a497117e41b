// `fedsam logs`: prints the logs of a job's coordinator and clients; each line begins with its source. A client has two logs: its
// trainer's and its network half's.

import type { KubernetesObject } from '#operator/objects/shapes.ts'
import { FedsamError } from '#protocol/errors.ts'
import { isExternal } from '#protocol/external.ts'
import { JOB_LABEL } from '#protocol/labels.ts'
import { CLUSTER_OPTIONS, type Cluster, withCluster } from '../cluster/connect.ts'
import { findJob } from '../cluster/find-job.ts'
import { type LogOptions, type LogSource, logLines, logSources } from '../cluster/pod-logs.ts'
import { PODS } from '../cluster/questions.ts'
import { print, printError } from '../render/screen.ts'
import { type RunCommand, readArguments } from './command.ts'

/** Logs that can be followed at the same time: each takes a connection, and more lines would be unreadable. */
const FOLLOWED = 10

/** Resolves to 0 with at least one line, to 1 without any. */
export const logs: RunCommand = async (args) => {
  const options = {
    ...CLUSTER_OPTIONS,
    client: { type: 'string' },
    follow: { type: 'boolean', short: 'f' },
    previous: { type: 'boolean' },
  } as const
  const { values, positionals } = readArguments(args, options, ['NAME'])
  const { follow = false, previous = false, client } = values
  return withCluster(values, async (cluster) => {
    const sources = await chooseSources(cluster, positionals[0]!, client)
    if (follow && sources.length > FOLLOWED) {
      throw new FedsamError(
        'InvalidJob',
        `${sources.length} logs cannot be followed at once; the limit is ${FOLLOWED}`,
        {
          remedy: 'choose one client with --client',
        },
      )
    }
    const lines = await printLogs(cluster, sources, { follow, previous })
    return lines > 0 ? 0 : 1
  })
}

async function chooseSources(cluster: Cluster, text: string, client?: string): Promise<LogSource[]> {
  const { metadata, spec } = await findJob(cluster, text)
  const { name, namespace } = metadata
  const names = ['coordinator', ...spec.partitions.map((partition) => partition.name)]
  if (client !== undefined && !names.includes(client)) {
    throw new FedsamError('InvalidJob', `FederatedJob ${name} has no client ${client}`, {
      remedy: `name one of: ${names.join(', ')}`,
    })
  }
  const query = { labelSelector: `${JOB_LABEL}=${name}` }
  const { items } = await cluster.ask<{ items: KubernetesObject[] }>({ ...PODS, namespace, query })
  const sources = logSources(items, client)
  if (sources.length > 0) return sources
  if (spec.partitions.some((partition) => partition.name === client && isExternal(partition)))
    throw new FedsamError('RunFailed', `${client} is a site outside of the cluster; its log is there`, {
      remedy: `ask the site for its log; see whether it is connected: fedsam status ${name} -n ${namespace}`,
    })
  throw new FedsamError('RunFailed', `${client ?? name} has no pod, so there is no log`, {
    remedy: `find out why: fedsam status ${name} -n ${namespace}`,
  })
}

/** Prints one log after the other, or all at the same time with --follow; resolves to the number of lines. */
async function printLogs(
  cluster: Cluster,
  sources: readonly LogSource[],
  options: LogOptions,
): Promise<number> {
  let count = 0
  const note = (line: string): void => printError(line)
  const printLog = async (source: LogSource): Promise<void> => {
    for await (const line of logLines(cluster, source, options, note)) {
      print(`[${source.label}] ${line}`)
      count += 1
    }
  }
  if (options.follow) await Promise.all(sources.map(printLog))
  else for (const source of sources) await printLog(source)
  return count
}
