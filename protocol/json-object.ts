// Whether a JSON value is an object, which neither null nor a list is. Pure.

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
