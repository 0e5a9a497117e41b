// The base image, made of Debian's own packages: no image registry is needed. FEDSAM_DEBIAN_MIRROR names a mirror.
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { FedsamError } from '#protocol/errors.ts'
import { BASE_REFERENCE, type Buildah } from './buildah.ts'

const SUITE = 'bookworm'

/** Debian's minimal system under the name BASE_REFERENCE; a minute where it is not there. */
export async function ensureBase(buildah: Buildah, log: (line: string) => void): Promise<void> {
  const images = JSON.parse(await buildah.run(['images', '--json'])) as { names?: string[] }[] | null
  if (images?.some(({ names }) => names?.includes(BASE_REFERENCE))) return
  log(`making a base image of Debian ${SUITE} (once, about a minute)`)
  const work = await mkdtemp(join(buildah.folder, 'base-'))
  const run = promisify(execFile)
  try {
    // Without one debootstrap takes Debian's own.
    const mirror = process.env.FEDSAM_DEBIAN_MIRROR ? [process.env.FEDSAM_DEBIAN_MIRROR] : []
    const system = join(work, 'system')
    await run('debootstrap', ['--variant=minbase', SUITE, system, ...mirror], { maxBuffer: 1 << 26 })
    await rm(join(system, 'var/cache/apt/archives'), { recursive: true })
    await run('tar', ['--numeric-owner', '-C', system, '-cf', join(work, 'system.tar'), '.'])
    await rm(system, { recursive: true })
    await writeFile(join(work, 'Containerfile'), 'FROM scratch\nADD system.tar /\nCMD ["/bin/sh"]\n')
    await buildah.build(BASE_REFERENCE, [work])
  } catch (cause) {
    throw new FedsamError('RunFailed', `no base image could be made: ${(cause as Error).message}`, {
      remedy: "debootstrap needs a Debian mirror: Debian's own, or the one that FEDSAM_DEBIAN_MIRROR names",
      cause,
    })
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}
