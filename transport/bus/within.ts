// A bound for a wait that may never end. Guarantees that no timer is left behind.

/** Resolves with the promise, or after `timeoutMs`. */
export async function within(timeoutMs: number, promise: Promise<unknown>): Promise<void> {
  const over = Promise.withResolvers<void>()
  const timer = setTimeout(over.resolve, timeoutMs)
  await Promise.race([promise, over.promise]).finally(() => clearTimeout(timer))
}
