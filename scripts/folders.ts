// The top-level folders of our TypeScript, listed once for the package, the test runner and the architecture tests.

/** The folders that ship: each is one program or one layer that programs share. */
export const PRODUCT = [
  'protocol',
  'runtime',
  'transport',
  'coordinator',
  'worker',
  'operator',
  'gate',
  'site',
  'cli',
] as const

/** Folders that prove, build or measure the product. Nothing in the product may need them. */
export const AROUND = ['scripts', 'test', 'bench'] as const
