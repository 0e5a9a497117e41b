// What every long-running program does the same way: it stops on SIGTERM and SIGINT, ends with its parent where it was told
// to, says why it ended on one line, and turns the reason into its exit code.
import { FedsamError } from '#protocol/errors.ts'
import { POD_EXITS, podExitCode } from '#protocol/exit-codes.ts'
import { tuneCollector } from './collector.ts'
import type { Environment } from './environment.ts'

/**
 * Runs a program's body with a signal that says "stop". With FEDSAM_END_WITH_PARENT=true the end of standard input is such a
 * signal too: a parent that was killed leaves nothing behind. Exits the process.
 */
export async function runProgram(
  env: Environment,
  body: (signal: AbortSignal) => Promise<void>,
): Promise<never> {
  tuneCollector()
  const stop = new AbortController()
  process.on('SIGTERM', () => stop.abort())
  process.on('SIGINT', () => stop.abort())
  if (env.FEDSAM_END_WITH_PARENT === 'true') {
    process.stdin.on('end', () => stop.abort())
    process.stdin.resume()
  }
  try {
    await body(stop.signal)
    process.exit(stop.signal.aborted ? POD_EXITS.AskedToStop.code : 0)
  } catch (error) {
    if (stop.signal.aborted) process.exit(POD_EXITS.AskedToStop.code)
    if (!(error instanceof FedsamError)) {
      console.error(error)
      process.exit(podExitCode(undefined))
    }
    process.stderr.write(
      `${JSON.stringify({ code: error.code, message: error.message, remedy: error.remedy })}\n`,
    )
    process.exit(podExitCode(error.code))
  }
}
