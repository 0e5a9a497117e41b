// Points in time as Kubernetes writes them. Pure.

/** RFC 3339 in whole seconds (metav1.Time), from milliseconds since 1970: 2026-11-24T08:30:00Z */
export function timestamp(milliseconds: number): string {
  return new Date(Math.floor(milliseconds / 1000) * 1000).toISOString().replace('.000Z', 'Z')
}
