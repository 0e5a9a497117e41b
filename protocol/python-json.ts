// Reads a line of JSON as Python's json.dumps writes it: NaN and the two infinities, which JSON lacks, become text. Pure.

/** The value of the line; undefined for any other text. A number that JSON lacks is 'NaN', 'Infinity' or '-Infinity'. */
export function parsePythonJson(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    // Read below.
  }
  try {
    return JSON.parse(withNamedFigures(line))
  } catch {
    return undefined
  }
}

/** Matches strings, which stay as they are, and the three numbers that JSON lacks. Each alternative matches in linear time. */
const STRING_OR_FIGURE = /"[^"\\]*(?:\\.?[^"\\]*)*"?|-?Infinity|NaN/gs

function withNamedFigures(line: string): string {
  return line.replace(STRING_OR_FIGURE, (found) => (found.startsWith('"') ? found : `"${found}"`))
}
