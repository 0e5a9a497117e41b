// The images of a node: `ensureImages` builds what is not cached. Promises: an image's reference and file name its content, so unchanged
// sources build nothing, and what lies there is complete. All of it is kept in ~/.cache/fedsam/images; deleting that costs time alone.
// FedSAM's own come from the Dockerfile (dockerfile.ts says of which files), the others are one static program each (static.ts).
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { ensureBase } from './base.ts'
import { BASE_REFERENCE, type Buildah, openBuildah } from './buildah.ts'
import { digestOf, inputsOf, ROOT, readDockerfile } from './dockerfile.ts'
import { machineSettings } from './machine-settings.ts'
import { STATIC_IMAGES, type StaticImage } from './static.ts'

const TARGETS = ['operator', 'coordinator', 'worker', 'worker-gpu'] as const
type Target = (typeof TARGETS)[number]

export type ImageName = Target | StaticImage

/** What the chart and jobs without a GPU need. */
export const QUICKSTART_IMAGES: readonly ImageName[] = [
  'operator',
  'coordinator',
  'worker',
  'nats-server',
  'versitygw',
]

/** Where the chart takes an image's name from. */
const VALUES: Partial<Readonly<Record<ImageName, string>>> = {
  operator: 'images.operator',
  coordinator: 'images.coordinator',
  worker: 'images.worker',
  'worker-gpu': 'images.workerGpu',
  'nats-server': 'quickstart.nats.image',
  versitygw: 'quickstart.s3.image',
}

export interface BuiltImage {
  readonly name: ImageName
  /** Registry, repository and tag, as a pod names it. */
  readonly reference: string
  /** A docker-archive with this image under this name. */
  readonly archive: string
  /** The prefix of the chart's values for it. */
  readonly values: string | undefined
}

export interface ImageOptions {
  readonly log?: (line: string) => void
}

/** These images in this order, built where they are not cached. Throws FedsamError RunFailed with the build's last lines. */
export async function ensureImages(
  names: readonly ImageName[],
  { log = () => {} }: ImageOptions = {},
): Promise<readonly BuiltImage[]> {
  const buildah = await openBuildah(log)
  const images: BuiltImage[] = []
  for (const name of names)
    images.push(await (isTarget(name) ? ensureTarget(buildah, name, log) : ensureStatic(buildah, name, log)))
  return images
}

function isTarget(name: ImageName): name is Target {
  return (TARGETS as readonly string[]).includes(name)
}

async function ensureTarget(
  buildah: Buildah,
  name: Target,
  log: (line: string) => void,
): Promise<BuiltImage> {
  const { inputs, text, copiedFrom } = inputsOf(await readDockerfile(), name)
  const tag = (await digestOf(inputs, [text, BASE_REFERENCE])).slice(0, 16)
  return ensureArchive(buildah, { name, repository: `docker.io/fedsam/${name}`, tag }, async (reference) => {
    await ensureBase(buildah, log)
    const { args, volumes } = await machineSettings(buildah.folder)
    const base = ['--build-arg', `BASE_IMAGE=${BASE_REFERENCE}`, ...args]
    for (const stage of copiedFrom)
      await buildah.build(`localhost/fedsam/stage-${stage}`, ['--target', stage, ...base, ...volumes, ROOT])
    await buildah.build(reference, ['--target', name, ...base, ROOT])
  })
}

async function ensureStatic(
  buildah: Buildah,
  name: StaticImage,
  log: (line: string) => void,
): Promise<BuiltImage> {
  const { version, make } = STATIC_IMAGES[name]
  return ensureArchive(
    buildah,
    { name, repository: `docker.io/fedsam/${name}`, tag: version },
    async (reference) => {
      const context = await make(join(buildah.folder, 'static', name), log)
      await buildah.build(reference, [context])
    },
  )
}

interface Wanted {
  readonly name: ImageName
  readonly repository: string
  readonly tag: string
}

/** The archive of an image, written beside its place and renamed; those of earlier contents go. */
async function ensureArchive(
  buildah: Buildah,
  { name, repository, tag }: Wanted,
  build: (reference: string) => Promise<void>,
): Promise<BuiltImage> {
  const reference = `${repository}:${tag}`
  const folder = join(buildah.folder, 'archives', name)
  const archive = join(folder, `${tag}.tar`)
  const image = { name, reference, archive, values: VALUES[name] }
  if (await isThere(archive)) return image
  await mkdir(folder, { recursive: true })
  const started = Date.now()
  buildah.log(`building image ${name}`)
  await build(reference)
  const draft = join(folder, `draft-${process.pid}`)
  await rm(draft, { force: true })
  await buildah.run(['push', '--quiet', reference, `docker-archive:${draft}:${reference}`])
  await rename(draft, archive)
  for (const other of await readdir(folder))
    if (other !== `${tag}.tar` && !other.startsWith('draft-')) await rm(join(folder, other), { force: true })
  buildah.log(`built image ${name} in ${Math.round((Date.now() - started) / 1000)} s`)
  return image
}

function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
