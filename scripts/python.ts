// Python for the tests and benchmarks of python/: a virtual environment of pinned packages, made once by the machine's own
// Python and pip and kept in the user's cache folder. Guarantees that the returned folder is complete; any
// number of processes may ask at once. Nothing that a user runs needs it: a job names its own program.

import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdir, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { FedsamError } from '#protocol/errors.ts'
import { exists } from '#runtime/paths.ts'

const run = promisify(execFile)

/** The folder of the package fedsam_client: the PYTHONPATH of a program that imports it without an installation. */
export const PYTHON_PACKAGE = fileURLToPath(new URL('../python', import.meta.url))

/** What the package needs, and what its files are held against. Older Pythons have older numpys. */
export const TEST_PACKAGES: readonly string[] = [
  "numpy==2.4.6; python_version >= '3.11'",
  "numpy==2.0.2; python_version < '3.11'",
  "safetensors==0.8.0; python_version >= '3.10'",
  "safetensors==0.6.2; python_version < '3.10'",
]

/** Flower itself, for the benchmark beside it. */
export const FLOWER_PACKAGES: readonly string[] = [...TEST_PACKAGES, 'flwr==1.42.0']
/** With what `flwr run` needs for its simulation, for measurements alone. */
export const FLOWER_APP_PACKAGES: readonly string[] = [...TEST_PACKAGES, 'flwr[simulation]==1.42.0']

export interface PythonOptions {
  readonly log?: (line: string) => void
  readonly env?: Readonly<Record<string, string | undefined>>
}

/**
 * The path of a Python that has these packages, made by FEDSAM_PYTHON (a path, or a name on PATH; python3 where it is not
 * set). Throws FedsamError RunFailed where Python is missing, or pip cannot install the packages.
 */
export async function ensurePython(
  packages: readonly string[],
  options: PythonOptions = {},
): Promise<string> {
  const { base, folder, executable } = await placeOf(packages, options.env ?? process.env)
  if (await exists(executable)) return executable
  options.log?.(`python: installing ${packages.join(', ')}`)
  // Built beside its place and moved there whole: its interpreter finds its packages in any folder.
  const draft = `${folder}.${randomBytes(4).toString('hex')}`
  await mkdir(draft, { recursive: true })
  try {
    await run(base, ['-m', 'venv', draft])
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...packages]
    await run(join(draft, 'bin', 'python'), pip, { maxBuffer: 2 ** 26 })
    await rename(draft, folder).catch(async (error: NodeJS.ErrnoException) => {
      // Somebody else was faster.
      if (!(await exists(executable))) throw error
    })
  } catch (cause) {
    const why = (cause as { stderr?: string }).stderr?.trim().split('\n').slice(-3).join(' ')
    throw new FedsamError(
      'RunFailed',
      `${packages.join(', ')} cannot be installed: ${why ?? String(cause)}`,
      {
        cause,
        remedy: 'pip needs its package index, and Python its venv module (Debian: python3-venv)',
      },
    )
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
  return executable
}

/** Whether the next call of ensurePython installs nothing. */
export async function hasPython(
  packages: readonly string[],
  { env = process.env }: PythonOptions = {},
): Promise<boolean> {
  const place = await placeOf(packages, env).catch(() => undefined)
  return place !== undefined && exists(place.executable)
}

/** The Python that makes an environment of these packages, and where its files are. */
async function placeOf(packages: readonly string[], env: NonNullable<PythonOptions['env']>) {
  const base = env.FEDSAM_PYTHON || 'python3'
  const version = await versionOf(base)
  const key = createHash('sha256')
    .update(JSON.stringify([version, ...packages]))
    .digest('hex')
  const cache = env.XDG_CACHE_HOME || join(homedir(), '.cache')
  const folder = join(cache, 'fedsam', 'python', key.slice(0, 16))
  return { base, folder, executable: join(folder, 'bin', 'python') }
}

async function versionOf(python: string): Promise<string> {
  const program = 'import sys; print(sys.version, sys.base_prefix); sys.exit(sys.version_info < (3, 9))'
  try {
    return (await run(python, ['-c', program])).stdout.trim()
  } catch (cause) {
    throw new FedsamError('RunFailed', `there is no Python 3.9 or newer by the name ${python}`, {
      cause,
      remedy: 'install one, or name it in FEDSAM_PYTHON',
    })
  }
}
