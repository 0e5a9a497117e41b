// The images of a node: `ensureImages` builds what is not cached. Promises: an image's reference and file name its content, so unchanged
// sources build nothing, and each stored image is complete. All of it is kept in ~/.cache/fedsam/images; deleting that costs time alone.
// FedSAM's own and an example's come from Dockerfiles (dockerfile.ts says of which files), the others are one static program each
// (static.ts).

import { createHash } from 'node:crypto'
import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { exists } from '#runtime/paths.ts'
import { ensureBase } from './base.ts'
import { BASE_REFERENCE, type Buildah, imagesFolder, openBuildah } from './buildah.ts'
import { digestOf, inputsOf, ROOT, readDockerfile } from './dockerfile.ts'
import { machineSettings } from './machine-settings.ts'
import { STATIC_IMAGES, type StaticImage } from './static.ts'

/** The Dockerfile of each target. */
const TARGETS = {
  operator: 'Dockerfile',
  coordinator: 'Dockerfile',
  worker: 'Dockerfile',
  'worker-gpu': 'Dockerfile',
  site: 'Dockerfile',
  'site-gpu': 'Dockerfile',
  'flower-numpy': 'examples/flower-numpy/Dockerfile',
} as const
type Target = keyof typeof TARGETS

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

/** Archives of one image, the newest first. */
const KEPT = 2

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

/** Those of these images that the next call of ensureImages builds. */
export async function missingImages(names: readonly ImageName[]): Promise<readonly ImageName[]> {
  const missing: ImageName[] = []
  for (const name of names) {
    const { key } = isTarget(name) ? await targetOf(name) : staticOf(name)
    if (!(await exists(archiveOf(imagesFolder(), name, key)))) missing.push(name)
  }
  return missing
}

function archiveOf(folder: string, name: ImageName, key: string): string {
  return join(folder, 'archives', name, `${key}.tar`)
}

function isTarget(name: ImageName): name is Target {
  return name in TARGETS
}

async function ensureTarget(
  buildah: Buildah,
  name: Target,
  log: (line: string) => void,
): Promise<BuiltImage> {
  const { file, copiedFrom, key } = await targetOf(name)
  return ensureArchive(buildah, { name, tag: key, key }, async (reference) => {
    await ensureBase(buildah, log)
    const { args, volumes } = await machineSettings(buildah.folder)
    const base = ['--file', join(ROOT, file), '--build-arg', `BASE_IMAGE=${BASE_REFERENCE}`, ...args]
    for (const stage of copiedFrom)
      await buildah.build(`localhost/fedsam/stage-${stage}`, ['--target', stage, ...base, ...volumes, ROOT])
    await buildah.build(reference, ['--target', name, ...base, ROOT])
  })
}

async function targetOf(name: Target) {
  const file = TARGETS[name]
  const { inputs, text, copiedFrom } = inputsOf(await readDockerfile(file), name)
  return { file, copiedFrom, key: (await digestOf(inputs, [text, BASE_REFERENCE])).slice(0, 16) }
}

function staticOf(name: StaticImage) {
  const { version, lines, make } = STATIC_IMAGES[name]
  const key = `${version}-${createHash('sha256').update(lines).digest('hex').slice(0, 8)}`
  return { version, lines, make, key }
}

async function ensureStatic(
  buildah: Buildah,
  name: StaticImage,
  log: (line: string) => void,
): Promise<BuiltImage> {
  const { version, lines, make, key } = staticOf(name)
  return ensureArchive(buildah, { name, tag: version, key }, async (reference) => {
    const context = join(buildah.folder, 'static', name)
    await mkdir(context, { recursive: true })
    await make(context, log)
    await writeFile(join(context, 'Containerfile'), lines)
    await buildah.build(reference, [context])
  })
}

interface Wanted {
  readonly name: ImageName
  readonly tag: string
  /** Names its content. */
  readonly key: string
}

/** The archive of an image, written beside its place and renamed. */
async function ensureArchive(
  buildah: Buildah,
  { name, tag, key }: Wanted,
  build: (reference: string) => Promise<void>,
): Promise<BuiltImage> {
  const reference = `docker.io/fedsam/${name}:${tag}`
  const archive = archiveOf(buildah.folder, name, key)
  const folder = dirname(archive)
  const image = { name, reference, archive, values: VALUES[name] }
  if (await exists(archive)) return image
  await mkdir(folder, { recursive: true })
  const started = Date.now()
  const seconds = (): number => Math.round((Date.now() - started) / 1000)
  buildah.log(`building image ${name}`)
  const patience = setInterval(() => buildah.log(`still building image ${name} (${seconds()} s)`), 15_000)
  await buildah
    .exclusively(async () => {
      // Another checkout with the same sources may have built it while this one waited.
      if (await exists(archive)) return
      await build(reference)
      const draft = join(folder, `draft-${process.pid}`)
      await rm(draft, { force: true })
      await buildah.run(['push', '--quiet', reference, `docker-archive:${draft}:${reference}`])
      await rename(draft, archive)
      await forgetOld(buildah, name, folder)
    })
    .finally(() => clearInterval(patience))
  buildah.log(`built image ${name} in ${seconds()} s`)
  return image
}

/** Another checkout may be about to read the one before. */
async function forgetOld(buildah: Buildah, name: string, folder: string): Promise<void> {
  const ages: { file: string; written: number }[] = []
  for (const name of await readdir(folder)) {
    const file = join(folder, name)
    ages.push({ file, written: (await stat(file)).mtimeMs })
  }
  ages.sort((a, b) => b.written - a.written)
  for (const { file } of ages.slice(KEPT)) {
    await rm(file, { force: true })
    // With the image go the layers that are its own; where it has none any more, that is as well.
    await buildah.run(['rmi', `docker.io/fedsam/${name}:${basename(file, '.tar')}`]).catch(() => undefined)
  }
}
