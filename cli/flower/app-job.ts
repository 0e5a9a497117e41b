// The job of a Flower app: its ServerApp as the strategy's program, its ClientApp as the trainer, and a partition for each node. Pure.
import { API_VERSION, KIND } from '#protocol/api.ts'
import { FedsamError } from '#protocol/errors.ts'
import type { AppProject } from './app-folder.ts'

/** Letters of a job's name. */
const LONGEST_NAME = 40

/** The job as a user would write it in the app's folder. Throws InvalidJob where nobody says how many clients there are. */
export function appJob(
  { name, serverapp, clientapp, arguments: values, nodes }: AppProject,
  clients?: number,
) {
  const count = clients ?? nodes
  if (count === null)
    throw new FedsamError('InvalidJob', `the app ${name} does not say how many clients it has`, {
      remedy: 'add --clients N',
    })
  const args = values.flatMap((value) => ['--arg', value])
  return {
    apiVersion: API_VERSION,
    kind: KIND,
    metadata: { name: jobName(name) },
    spec: {
      strategy: {
        type: 'Program',
        program: {
          command: ['python3', '-m', 'fedsam_client.server', serverapp],
          // The program runs in a folder of its own.
          args: ['--path', './', ...args],
        },
      },
      trainer: {
        type: 'Command',
        command: { command: ['python3', '-m', 'fedsam_client', clientapp], args },
      },
      partitions: Array.from({ length: count }, (_, place) => ({ name: `client-${place}` })),
    },
  }
}

/** The project's name as a job may have it. */
function jobName(name: string): string {
  const plain = name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, LONGEST_NAME)
    .replace(/^-+|-+$/g, '')
  return plain === '' ? 'flower-app' : plain
}
