// Times as Kubernetes writes them and as people read them. All arguments are in milliseconds since 1970. Pure.

/** metav1.MicroTime: the API server accepts exactly six digits. 2026-11-24T08:30:00.123000Z */
export function microTime(at: number): string {
  return new Date(at).toISOString().replace('Z', '000Z')
}

/** For a message: 08:30:00Z */
export function clockTime(at: number): string {
  return `${new Date(at).toISOString().slice(11, 19)}Z`
}

/** Whole seconds from `now` to `at`; at least 1. */
export function secondsUntil(at: number, now: number): number {
  return Math.max(1, Math.ceil((at - now) / 1000))
}
