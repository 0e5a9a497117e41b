// Compares resourceVersions. They are decimal integers of one sequence for each kind. Kubernetes guarantees this
// since 1.35 (KEP-5504); earlier API servers on etcd behave the same. Pure.

/**
 * Below zero if `a` is older, 0 if they are equal, above zero if `a` is newer. Throws RangeError for anything but
 * digits.
 */
export function compareVersions(a: string, b: string): number {
  for (const version of [a, b]) {
    if (!/^(0|[1-9][0-9]*)$/.test(version))
      throw new RangeError(`resourceVersion ${version} is not an integer`)
  }
  if (a.length !== b.length) return a.length - b.length
  return a < b ? -1 : a > b ? 1 : 0
}
