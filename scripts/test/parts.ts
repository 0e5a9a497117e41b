// The real parts that tests run against: which files show that a part is needed, about how long its first build takes,
// and how it is built. Parts are built once and cached; a build that exists is found in no time.
import { type Binary, ensureBinary } from '#cli/run/servers/binaries.ts'
import { ensureTensorFlow } from '#worker/tensorflow/addon/build.ts'
import { ensureHelm, HELM_LINES } from '../helm.ts'
import { ensureKubernetes } from '../kubernetes/build.ts'

export type Log = (line: string) => void

export interface Part {
  readonly name: string
  /** A test that reaches one of these files needs the part. */
  readonly neededBy: readonly string[]
  /** The first build on two cores, in minutes. */
  readonly minutes: number
  /** Throws an Error that says why where the part cannot be built. */
  build(log: Log): Promise<unknown>
}

const PARTS: readonly Part[] = [
  {
    name: 'native TensorFlow',
    neededBy: ['worker/tensorflow/backend.ts'],
    minutes: 2,
    build: buildTensorFlow,
  },
  server('nats-server'),
  server('versitygw'),
  {
    name: 'Helm 3 and 4',
    neededBy: ['scripts/helm.ts'],
    minutes: 4,
    build: async (log) => {
      for (const line of HELM_LINES) await ensureHelm(line, { log })
    },
  },
  {
    name: 'Kubernetes',
    neededBy: ['scripts/kubernetes/build.ts'],
    minutes: 7,
    build: (log) => ensureKubernetes({ log }),
  },
]

/** The parts that tests need which reach these files. */
export function neededParts(reached: ReadonlySet<string>): Part[] {
  return PARTS.filter(({ neededBy }) => neededBy.some((file) => reached.has(file)))
}

function server(name: Binary): Part {
  return {
    name,
    neededBy: ['cli/run/servers/servers.ts'],
    minutes: 1,
    build: (log) => ensureBinary(name, { log }),
  }
}

async function buildTensorFlow(log: Log): Promise<void> {
  const { built, reason } = await ensureTensorFlow({ log })
  if (!built) throw new Error(reason)
}
