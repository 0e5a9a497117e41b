// Words that make our texts hard to read, with what to write instead, and a search for them in a text. The search also finds a phrase
// that a line break of prose or of a comment divides. It knows no grammar: it finds a banned word in names and strings, too.

/** A word or phrase as a regular expression, and its plain replacement. A space in a phrase matches any gap between words. */
const BANNED: readonly (readonly [string, string])[] = [
  ['anew', 'again, or a verb with re-: recreate, restart'],
  ['lies', 'is'],
  ['stands', 'is, means or counts'],
  ['whoever', 'a noun: the client that …'],
  ['(?:is|are) told', 'gets, receives or is reported'],
  ['heard of', 'reported, or known'],
  ['goes on with', 'continues'],
  ['reckon(?:s|ed|ing)?', 'count, compute or assume'],
]

/** Whitespace, and the mark with which the next line of a comment or of a quotation begins. */
const GAP = String.raw`\s+(?:(?:\/\/|\*|#|>)\s+)?`
const PATTERNS = BANNED.map(
  ([word, instead]) => [new RegExp(`\\b${word.replaceAll(' ', GAP)}\\b`, 'gi'), instead] as const,
)

/** Files that hold the words for a reason: the list itself with its test, and recorded data. */
export const MAY_HOLD_BANNED_WORDS: readonly RegExp[] = [
  /^test\/architecture\/banned-words(\.test)?\.ts$/,
  /^test\/golden\//,
]

/** The banned words of a text, in order of the list: the line that each begins in, counted from 1, and what to write instead. */
export function bannedWords(text: string): { line: number; word: string; instead: string }[] {
  return PATTERNS.flatMap(([pattern, instead]) =>
    [...text.matchAll(pattern)].map(({ 0: word, index }) => ({
      line: text.slice(0, index).split('\n').length,
      word: word.replace(/\s+/g, ' '),
      instead,
    })),
  )
}
