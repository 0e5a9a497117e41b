// Makes text from outside safe for a terminal. Clients, pods, files and servers choose their text, and a terminal obeys control
// characters: they clear the screen, set the clipboard, or forge a line. Every command prints through this file, or escapes as
// JSON. Pure.

/** Control characters of C0 and C1, marks that turn the direction of writing, and separators of lines. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what the expression is for
const CONTROLS = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g
/** The control characters that separate words. */
const SPACES = /[\t\n\r\u0085\u2028\u2029]/

/** One line without control characters: separators become spaces, other control characters are removed. */
export function plainText(text: string): string {
  return text.replace(CONTROLS, (character) => (SPACES.test(character) ? ' ' : ''))
}

/** Several lines, each without control characters. */
export function plainLines(text: string): string {
  return text
    .split('\n')
    .map((line) => plainText(line.replace(/\r$/, '')))
    .join('\n')
}

/** The same data with every string as one line without control characters, names of fields too. */
export function plainData<T>(value: T): T {
  return plain(value) as T
}

function plain(value: unknown): unknown {
  if (typeof value === 'string') return plainText(value)
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [plainText(name), plain(field)]))
}

/** JSON on one line. JSON itself escapes C0; the other control characters are escaped besides. */
export function jsonLine(value: unknown): string {
  return JSON.stringify(value).replace(
    CONTROLS,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
