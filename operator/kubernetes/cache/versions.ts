// Which of two resourceVersions is the newer. They are decimal integers of one sequence per kind: Kubernetes promises since 1.35
// (KEP-5504) what every etcd-backed API server before it kept too. Nothing else is read from them.

/** Below zero where `a` is older, 0 where they are the same, above zero where `a` is newer. Throws RangeError for anything but digits. */
export function compareVersions(a: string, b: string): number {
  for (const version of [a, b]) {
    if (!/^(0|[1-9][0-9]*)$/.test(version)) throw new RangeError(`resourceVersion ${version} is no integer`)
  }
  if (a.length !== b.length) return a.length - b.length
  return a < b ? -1 : a > b ? 1 : 0
}
