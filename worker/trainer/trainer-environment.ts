// The environment of a trainer on this machine: an allowlist of variables. Guarantees that no secret of the shell reaches the
// trainer, and that no variable of a numerical library changes the trained bytes. The callers add the variables of the job
// (`command.env`) and of the partition. docs/trainer-seam.md lists the groups for users.
import { FedsamError } from '#protocol/errors.ts'
import { type Environment, setVariables } from '#runtime/environment.ts'

/** Variables that a trainer inherits. They find programs, libraries, caches and devices; none holds a credential. */
const NAMES: readonly string[] = [
  // The user and the machine.
  ...['PATH', 'HOME', 'USER', 'LOGNAME', 'TMPDIR', 'TZ', 'LANG', 'LANGUAGE'],
  // Libraries and environments of Python.
  ...['LD_LIBRARY_PATH', 'DYLD_LIBRARY_PATH', 'DYLD_FALLBACK_LIBRARY_PATH'],
  ...['VIRTUAL_ENV', 'CONDA_PREFIX', 'CONDA_DEFAULT_ENV'],
  // Folders of caches.
  ...['XDG_CACHE_HOME', 'HF_HOME', 'HF_HUB_CACHE', 'HF_DATASETS_CACHE', 'TORCH_HOME', 'NODE_COMPILE_CACHE'],
  // Devices of other makers than NVIDIA.
  ...['ROCR_VISIBLE_DEVICES', 'HIP_VISIBLE_DEVICES', 'ZE_AFFINITY_MASK'],
]

/** Prefixes of names that a trainer inherits, unless the name looks like a credential: NVIDIA_API_KEY does. */
const PREFIXES: readonly string[] = ['LC_', 'CUDA_', 'NVIDIA_', 'PYTHON']
const CREDENTIAL =
  /(^|_)(\w*KEY|\w*TOKEN|\w*SECRET|PASS|\w*PASSWORD|\w*PASSWD|\w*PASSPHRASE|\w*CREDENTIALS?|AUTH)(_|$)/i

/** The names that --pass-env accepts. */
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/

/** The variables of `env` that every trainer on this machine has. */
export function inheritedVariables(env: Environment): Record<string, string> {
  return Object.fromEntries(Object.entries(setVariables(env)).filter(([name]) => isInherited(name)))
}

function isInherited(name: string): boolean {
  if (NAMES.includes(name)) return true
  return PREFIXES.some((prefix) => name.startsWith(prefix)) && !CREDENTIAL.test(name)
}

/**
 * The same variables, and those that `pass` names (the values of --pass-env). Throws InvalidJob for a variable that is not set,
 * and for text that is not a name.
 */
export function trainerEnvironment(env: Environment, pass: readonly string[] = []): Record<string, string> {
  const passed = pass.map((name) => {
    if (!NAME.test(name)) {
      throw new FedsamError('InvalidJob', `--pass-env ${name}: this is not the name of a variable`, {
        remedy: 'pass one name per --pass-env; write values into spec.trainer.command.env',
      })
    }
    const value = env[name]
    if (value === undefined) {
      throw new FedsamError('InvalidJob', `--pass-env ${name}: the variable is not set in this shell`, {
        remedy: `export ${name} first, or remove the option`,
      })
    }
    return [name, value] as const
  })
  return { ...inheritedVariables(env), ...Object.fromEntries(passed) }
}
