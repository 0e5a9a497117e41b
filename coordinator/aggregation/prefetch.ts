// Starts the next few tasks while the results of the earlier ones are being used.

/** Results in the order of the tasks; up to `ahead` of them are under way or done while one is in use. */
export async function* prefetch<T>(
  tasks: Iterable<() => Promise<T>>,
  ahead: number,
): AsyncGenerator<T, void, undefined> {
  const running: Promise<T>[] = []
  try {
    for (const start of tasks) {
      const task = start()
      task.catch(() => {}) // reported when its turn comes
      running.push(task)
      if (running.length > ahead) yield await running.shift()!
    }
    while (running.length > 0) yield await running.shift()!
  } finally {
    await Promise.allSettled(running)
  }
}
