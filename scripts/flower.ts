// The versions of Flower that tests run ClientApps with: the first and the last of the range that fedsam_client promises, and an older
// one that it refuses. Each has an environment of its own, because their packages exclude each other. flwr 1.42 needs Python 3.11.
import { ensurePython, type PythonOptions, TEST_PACKAGES } from './python.ts'

/** The first and the last version whose Message API fedsam_client runs (python/fedsam_client/flower.py). */
export const FLOWER_VERSIONS = ['1.22.0', '1.42.0'] as const

/** A version whose Message API is another one. */
export const OLDER_FLOWER = '1.13.1'

/** The packages of an environment for apps. */
export function flowerPackages(version: string): readonly string[] {
  return [
    ...TEST_PACKAGES,
    `flwr==${version}`,
    // The older version runs no app.
    ...(version === OLDER_FLOWER ? [] : ['scikit-learn==1.7.2']),
  ]
}

/** The Python that has this version of Flower. */
export function ensureFlower(version: string, options: PythonOptions = {}): Promise<string> {
  return ensurePython(flowerPackages(version), options)
}
