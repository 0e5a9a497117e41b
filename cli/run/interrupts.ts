// Ctrl-C and SIGTERM as an abort signal: the first asks everything to stop cleanly, a second one ends the process at once. So does
// time: what does not answer the first ends with the process.
import { CLI_EXITS } from '#protocol/exit-codes.ts'
import { printError } from '../render/screen.ts'

/** Milliseconds that a clean stop may take: a trainer has ten seconds for its own, and the rest follows it. */
const STOPPING_MS = 30_000

/** Watches until stopped. */
export function watchInterrupts(): { readonly signal: AbortSignal; stop(): void } {
  const controller = new AbortController()
  let late: NodeJS.Timeout | undefined
  const interrupt = (): void => {
    if (controller.signal.aborted) process.exit(CLI_EXITS.Interrupted)
    printError('stopping; again to stop at once')
    late = setTimeout(() => process.exit(CLI_EXITS.Interrupted), STOPPING_MS).unref()
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
