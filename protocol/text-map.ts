// A map from the user's names to text, as a schema for markers and messages. Pure.
// It keeps every name, also those that JavaScript objects have of their own: valibot's record would drop them in silence.
import * as v from 'valibot'

/** Names to text: the configuration of a trainer. */
export const TextMap = v.custom<Record<string, string>>(isTextMap, 'is not a map of strings')

function isTextMap(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  return Object.values(value).every((text) => typeof text === 'string')
}
