// Ctrl-C and SIGTERM as an abort signal: the first one stops the run cleanly, a second one ends the process at once. The process
// also ends if the clean stop takes too long.
import { CLI_EXITS } from '#protocol/exit-codes.ts'
import { exitProcess } from '#runtime/engine.ts'
import { printError } from '../render/screen.ts'

/** Longest clean stop, in milliseconds: a trainer has ten seconds to end, and the other parts follow it. */
const STOPPING_MS = 30_000

/** Handles both signals until `stop` is called. */
export function watchInterrupts(): { readonly signal: AbortSignal; stop(): void } {
  const controller = new AbortController()
  let late: NodeJS.Timeout | undefined
  const interrupt = (): void => {
    if (controller.signal.aborted) exitProcess(CLI_EXITS.Interrupted)
    printError('stopping; press Ctrl-C again to stop at once')
    late = setTimeout(() => exitProcess(CLI_EXITS.Interrupted), STOPPING_MS).unref()
    controller.abort()
  }
  process.on('SIGINT', interrupt)
  process.on('SIGTERM', interrupt)
  return {
    signal: controller.signal,
    stop() {
      clearTimeout(late)
      process.off('SIGINT', interrupt)
      process.off('SIGTERM', interrupt)
    },
  }
}
