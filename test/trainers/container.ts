// A trainer's container on this machine: the operator's script under a plain shell, joined to a worker's network half by FIFOs.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { trainerScript } from '#operator/reconcile/pods/trainer-script.ts'

export interface Container {
  readonly process: ChildProcess
  /** Its exit code. */
  readonly exit: Promise<number | null>
}

/** As a container runs: the script is the first process of a namespace of its own, with a /proc of its own. Needs root. */
const ISOLATED = ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc']

/** Starts it; the FIFOs must be there. `isolated` starts it in a process namespace of its own. */
export function startContainer(
  seam: string,
  program: readonly string[],
  env: Readonly<Record<string, string>> = {},
  isolated = false,
): Container {
  const [first, ...rest] = [...(isolated ? ISOLATED : []), 'sh', '-c', trainerScript(seam), 'sh', ...program]
  const child = spawn(first!, rest, {
    stdio: ['ignore', 'ignore', 'inherit'],
    detached: true,
    env: { ...process.env, ...env },
  })
  return { process: child, exit: once(child, 'exit').then(([code]) => code as number | null) }
}

/** Ends it with everything that it started, as a pod's end does. */
export function endContainer({ process: { pid } }: Container): void {
  try {
    process.kill(-pid!, 'SIGKILL')
  } catch {
    // It ended by itself.
  }
}
