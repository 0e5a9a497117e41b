// What a program that a test starts has of this process's environment, where the test chooses the rest itself.

/** The folders of programs, and of what Node compiled: without the latter each start strips types and compiles all its sources again. */
export function startedEnvironment(): Record<string, string> {
  const { PATH = '', NODE_COMPILE_CACHE } = process.env
  return { PATH, ...(NODE_COMPILE_CACHE === undefined ? {} : { NODE_COMPILE_CACHE }) }
}
