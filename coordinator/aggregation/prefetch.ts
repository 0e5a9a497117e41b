// Starts the next tasks while the caller uses the results of earlier ones. It keeps the order of the tasks.

/** Results in the order of the tasks. Up to `ahead` later tasks run, or have ended, while one result is in use. */
export async function* prefetch<T>(
  tasks: Iterable<() => Promise<T>>,
  ahead: number,
): AsyncGenerator<T, void, undefined> {
  const running: Promise<T>[] = []
  try {
    for (const start of tasks) {
      const task = start()
      task.catch(() => {}) // the error is reported at the task's turn
      running.push(task)
      if (running.length > ahead) yield await running.shift()!
    }
    while (running.length > 0) yield await running.shift()!
  } finally {
    await Promise.allSettled(running)
  }
}
