// The life of every long-running program. It stops on SIGTERM and SIGINT, and with its parent where the environment says so. It
// reports why it ended on one line, in a pod also where the kubelet reads it, and exits with the code of that reason.
import { ENDING } from '#protocol/environment.ts'
import { FedsamError } from '#protocol/errors.ts'
import { POD_EXITS, podExitCode } from '#protocol/exit-codes.ts'
import { exitProcess, tuneEngine } from './engine.ts'
import type { Environment } from './environment.ts'
import { leaveLastWord, unexpectedWord } from './termination-message.ts'

/**
 * Runs a program's body with a signal that asks it to stop, then exits the process. With `endWithParent` the end of standard input
 * aborts the signal too, so that a killed parent leaves no process behind.
 */
export async function runProgram(
  env: Environment,
  body: (signal: AbortSignal) => Promise<void>,
): Promise<never> {
  tuneEngine()
  const stop = new AbortController()
  process.on('SIGTERM', () => stop.abort())
  process.on('SIGINT', () => stop.abort())
  // An error that no caller awaits: the program reports it like every other error, and exits with a code of ours.
  process.on('uncaughtException', (error) => exitProcess(reportFailure(env, error)))
  if (env[ENDING.endWithParent.name] === 'true') {
    process.stdin.on('end', () => stop.abort())
    process.stdin.resume()
  }
  try {
    await body(stop.signal)
    exitProcess(stop.signal.aborted ? POD_EXITS.AskedToStop.code : 0)
  } catch (error) {
    if (stop.signal.aborted) exitProcess(POD_EXITS.AskedToStop.code)
    exitProcess(reportFailure(env, error))
  }
}

/** Reports why the program ends, on standard error and where the kubelet reads it. Returns the exit code. */
export function reportFailure(env: Environment, error: unknown): number {
  const known = error instanceof FedsamError ? error : undefined
  const { code, message, remedy } = known ?? unexpectedWord(error)
  process.stderr.write(`${JSON.stringify({ code, message, remedy })}\n`)
  leaveLastWord(env, { code, message, remedy })
  return podExitCode(known?.code)
}

/** Resolves when the signal aborts. Keeps the process alive until then. */
export async function untilStopped(signal: AbortSignal): Promise<void> {
  const alive = setInterval(() => {}, 2 ** 30)
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
  clearInterval(alive)
}
