// Words of messages that hold foreign text: counts with their nouns, lists that name the first few, texts of a bounded length.
// Guarantees that a bound is kept, and that no character is cut in half. What may reach a terminal is left to cli/render/plain.ts.

/** Names of a list in one sentence, unless the caller has more room. */
const NAMED = 8

/** "1 image", "3 images". */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

/** "a, b, c", or "a, b and 12 more": the first `most` texts in their order. */
export function listed(texts: readonly (string | number)[], most = NAMED, separator = ', '): string {
  const named = texts.slice(0, most).join(separator)
  return texts.length > most ? `${named} and ${texts.length - most} more` : named
}

/** At most `longest` units of UTF-16 (1 or more). A longer text ends in an ellipsis, and keeps both halves of a surrogate pair or neither. */
export function shortened(text: string, longest: number): string {
  if (text.length <= longest) return text
  const last = text.charCodeAt(longest - 2)
  const splits = last >= 0xd800 && last <= 0xdbff
  return `${text.slice(0, longest - (splits ? 2 : 1))}…`
}
