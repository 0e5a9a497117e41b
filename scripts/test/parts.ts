// The real parts that tests run against: which files show that a part is needed, about how long its first build takes, whether it is
// cached, and how it is built. A part is built once; a build that exists is found in well under a second.
import { type Binary, ensureBinary, hasBinary } from '#cli/run/servers/binaries.ts'
import { FedsamError } from '#protocol/errors.ts'
import { ensureTensorFlow, hasTensorFlow } from '#worker/tensorflow/addon/build.ts'
import { ensureFlower, FLOWER_VERSIONS, flowerPackages, OLDER_FLOWER } from '../flower.ts'
import { ensureHelm, HELM_LINES, hasHelm } from '../helm.ts'
import { ensureImages, type ImageName, missingImages, QUICKSTART_IMAGES } from '../images/images.ts'
import { ensureKubernetes, hasKubernetes } from '../kubernetes/build.ts'
import { ensureCoreDns, hasCoreDns } from '../kubernetes/node.ts'
import { ensurePython, hasPython, TEST_PACKAGES } from '../python.ts'

export type Log = (line: string) => void

export interface Part {
  readonly name: string
  /** A test that reaches one of these files needs the part. */
  readonly neededBy: readonly string[]
  /** Minutes of the first build, downloads included: from file times and logs of first builds on two busy cores, 30 November 2026. */
  readonly minutes: number
  /** `npm test -- --fast` leaves out the tests that need it. */
  readonly slow?: true
  /** Whether `build` finds it built. */
  isCached(): Promise<boolean>
  /** Throws an Error that says why where the part cannot be built. */
  build(log: Log): Promise<unknown>
}

/** What the end-to-end layer starts pods of. */
const IMAGES: readonly ImageName[] = ['pause', ...QUICKSTART_IMAGES, 'site', 'flower-numpy']

const FLOWERS = [...FLOWER_VERSIONS, OLDER_FLOWER]

const PARTS: readonly Part[] = [
  {
    name: 'native TensorFlow',
    neededBy: ['worker/tensorflow/backend.ts'],
    minutes: 2,
    isCached: async () => hasTensorFlow(),
    build: buildTensorFlow,
  },
  server('nats-server'),
  server('versitygw'),
  {
    name: 'Python packages',
    neededBy: ['scripts/python.ts'],
    minutes: 1,
    isCached: () => hasPython(TEST_PACKAGES),
    build: (log) => ensurePython(TEST_PACKAGES, { log }),
  },
  {
    name: 'Flower',
    neededBy: ['scripts/flower.ts'],
    minutes: 3,
    slow: true,
    isCached: async () =>
      (await Promise.all(FLOWERS.map((version) => hasPython(flowerPackages(version))))).every(Boolean),
    build: async (log) => {
      for (const version of FLOWERS) await ensureFlower(version, { log })
    },
  },
  {
    name: 'Helm 3 and 4',
    neededBy: ['scripts/helm.ts'],
    minutes: 4,
    isCached: () => hasHelm(),
    build: async (log) => {
      for (const line of HELM_LINES) await ensureHelm(line, { log })
    },
  },
  {
    name: 'Kubernetes',
    neededBy: ['scripts/kubernetes/build.ts'],
    minutes: 15,
    slow: true,
    isCached: () => hasKubernetes(),
    build: (log) => ensureKubernetes({ log }),
  },
  {
    name: 'CoreDNS',
    neededBy: ['scripts/kubernetes/node.ts'],
    minutes: 13,
    slow: true,
    isCached: hasCoreDns,
    build: ensureCoreDns,
  },
  {
    name: 'images',
    neededBy: ['scripts/kubernetes/node.ts'],
    minutes: 10,
    slow: true,
    isCached: async () => (await missingImages(IMAGES)).length === 0,
    build: (log) => ensureImages(IMAGES, { log }),
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
    isCached: () => hasBinary(name),
    build: (log) => ensureBinary(name, { log }),
  }
}

async function buildTensorFlow(log: Log): Promise<void> {
  const { built, reason } = await ensureTensorFlow({ log })
  if (built) return
  throw new FedsamError('RunFailed', reason, {
    remedy:
      'it needs python3 with pip, g++, and a package index that pip reaches (PIP_INDEX_URL or a proxy in HTTPS_PROXY)',
  })
}
