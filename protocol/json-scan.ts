// One linear pass over JSON bytes of foreign origin, before JSON.parse sees them. JSON.parse allocates for each value and each
// level, so the bounds on both are checked here first. The pass allocates nothing and needs no regular expression.
// Whether the text is well-formed JSON is left to JSON.parse.

const QUOTE = 0x22
const BACKSLASH = 0x5c
export const COLON = 0x3a
export const COMMA = 0x2c
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d

/** What a JSON text may hold at most. */
export interface JsonBounds {
  /** Length of the text, in bytes. */
  readonly bytes: number
  /** Levels of objects and arrays. */
  readonly depth: number
  /** Fields of objects and elements of arrays, counted over the whole text. */
  readonly values: number
}

/** Hears each brace, bracket, colon and comma outside of strings, and how many levels are open there. */
export type JsonVisitor = (token: number, depth: number) => void

/** Calls `visit` for the structure of a JSON text. An opening token counts as inside of what it opens, a closing one too. */
export function scanJson(bytes: Uint8Array, visit: JsonVisitor): void {
  let depth = 0
  for (let at = 0; at < bytes.length; at += 1) {
    const token = bytes[at]!
    if (token === QUOTE) {
      at = endOfString(bytes, at)
    } else if (token === OPEN_BRACE || token === OPEN_BRACKET) {
      depth += 1
      visit(token, depth)
    } else if (token === CLOSE_BRACE || token === CLOSE_BRACKET) {
      visit(token, depth)
      depth -= 1
    } else if (token === COLON || token === COMMA) {
      visit(token, depth)
    }
  }
}

/** Index of the quote that ends the string which begins at `at`; the end of the text where no quote does. */
function endOfString(bytes: Uint8Array, at: number): number {
  let end = at + 1
  while (end < bytes.length && bytes[end] !== QUOTE) end += bytes[end] === BACKSLASH ? 2 : 1
  return end
}

/** Throws RangeError where the text exceeds a bound. */
export function checkJsonBounds(bytes: Uint8Array, bounds: JsonBounds): void {
  if (bytes.length > bounds.bytes)
    throw new RangeError(`The JSON text has ${bytes.length} bytes; at most ${bounds.bytes} are read.`)
  let values = 0
  scanJson(bytes, (token, depth) => {
    if (depth > bounds.depth)
      throw new RangeError(`The JSON text is nested deeper than ${bounds.depth} levels.`)
    // A container opens with at most one value that no comma announces.
    if (token === COMMA || token === OPEN_BRACE || token === OPEN_BRACKET) values += 1
    if (values > bounds.values) throw new RangeError(`The JSON text has more than ${bounds.values} values.`)
  })
}
