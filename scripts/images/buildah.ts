// Buildah with a storage of its own in the user's cache folder: no daemon, no privileged helper, nothing in /var/lib/containers.
// Promises: every layer is kept, so that a build after an edit repeats only what follows it; the end of a failed build is in the error.
import { spawn } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { FedsamError } from '#protocol/errors.ts'

/** What the Dockerfile's BASE_IMAGE is here; base.ts makes it. */
export const BASE_REFERENCE = 'localhost/fedsam/base:bookworm-1'

export interface Buildah {
  /** Storage, archives and what is made on the way. */
  readonly folder: string
  readonly log: (line: string) => void
  /**
   * Runs `work` while no other process uses the storage. Checkouts share the storage: without this, one could replace a stage, or
   * remove a layer, in the middle of the build of another. The methods below are called from `work` only.
   */
  exclusively<T>(work: () => Promise<T>): Promise<T>
  /** Runs buildah to its end; resolves to its output. */
  run(args: readonly string[]): Promise<string>
  /** Builds an image under this name; the context comes last. */
  build(reference: string, args: readonly string[]): Promise<void>
}

/** Containers that exist when a build begins are the rest of a killed build. */
const BUILD = `
with_storage() { buildah --root "$layers" --runroot "$run" "$@"; }
with_storage rm --all > /dev/null 2>&1
with_storage bud "$@"
`

/** Where images are kept. */
export function imagesFolder(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'fedsam', 'images')
}

export async function openBuildah(log: (line: string) => void): Promise<Buildah> {
  const folder = imagesFolder()
  await mkdir(folder, { recursive: true })
  const [layers, run, lock] = [join(folder, 'layers'), join(folder, 'run'), join(folder, 'lock')]
  const env = { ...process.env, layers, run }
  return {
    folder,
    log,
    exclusively: (work) => withLock(lock, work),
    run: (args) => execute(['buildah', '--root', layers, '--runroot', run, ...args], env),
    async build(reference, args) {
      // chroot: neither a runtime nor a network of its own is needed.
      const options = ['--isolation', 'chroot', '--layers', '--pull-never', '--tag', reference]
      await execute(['sh', '-c', BUILD, 'buildah', ...options, ...args], env)
    },
  }
}

/**
 * Runs `work` under the lock of this file, which one process of the machine holds at a time. A child holds it until its input ends, so
 * a process that is killed releases it.
 */
export async function withLock<T>(file: string, work: () => Promise<T>): Promise<T> {
  const holder = spawn('flock', [file, 'sh', '-c', 'echo held; cat > /dev/null'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const ended = new Promise<void>((resolve) => holder.once('close', () => resolve()))
  try {
    await new Promise<void>((resolve, reject) => {
      holder.stdout.once('data', () => resolve())
      holder.once('error', reject)
      holder.once('close', (status) =>
        reject(new FedsamError('RunFailed', `flock ${file} ended with ${status}`)),
      )
    })
    return await work()
  } finally {
    holder.stdin.end()
    await ended
  }
}

async function execute([program, ...args]: readonly string[], env: NodeJS.ProcessEnv): Promise<string> {
  const child = spawn(program!, args, { stdio: ['ignore', 'pipe', 'pipe'], env })
  const lines: string[] = []
  let output = ''
  const say = (line: string): void => {
    lines.push(line)
    if (lines.length > 12) lines.shift()
  }
  createInterface({ input: child.stderr }).on('line', say)
  createInterface({ input: child.stdout }).on('line', (line) => {
    output += `${line}\n`
    say(line)
  })
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  if (status === 0) return output
  throw new FedsamError('RunFailed', `buildah ended with ${status}: ${lines.join('; ')}`, {
    remedy: 'images are built as root on Linux, with the package registries in reach',
  })
}
