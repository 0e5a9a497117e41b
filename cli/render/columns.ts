// Text within a width: columns that align, sentences that wrap below their beginning. Pure.

/** Rows with two spaces between columns; each column but the last is as wide as its widest cell. */
export function alignRows(rows: readonly (readonly string[])[], right: readonly number[] = []): string[] {
  const columns = Math.max(0, ...rows.map((row) => row.length))
  const widths = Array.from({ length: columns }, (_, i) =>
    Math.max(...rows.map((row) => (row[i] ?? '').length)),
  )
  return rows.map((row) =>
    row
      .map((cell, i) => (right.includes(i) ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
      .join('  ')
      .trimEnd(),
  )
}

/** Lines of at most `width` characters, all but the first indented; a word that is longer stays whole. */
export function wrapText(text: string, width: number, indent: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(/\s+/)) {
    const longer = line === '' ? word : `${line} ${word}`
    const room = width - (lines.length === 0 ? 0 : indent)
    if (longer.length <= room || line === '') line = longer
    else {
      lines.push(line)
      line = word
    }
  }
  lines.push(line)
  return lines.map((text, i) => (i === 0 ? text : ' '.repeat(indent) + text))
}

/** "label  sentence", the sentence wrapped beside its label. */
export function labelled(label: string, sentence: string, width: number): string[] {
  if (sentence === '') return [label.trimEnd()]
  const [first, ...rest] = wrapText(sentence, width - label.length, 0)
  return [`${label}${first}`, ...rest.map((line) => ' '.repeat(label.length) + line)]
}

/** An age as kubectl writes it: 45s, 12m, 3h, 2d. */
export function ageText(since: string | undefined, now: number): string {
  const seconds = Math.max(0, Math.floor((now - Date.parse(since ?? '')) / 1000))
  if (Number.isNaN(seconds)) return '?'
  if (seconds < 120) return `${seconds}s`
  if (seconds < 7200) return `${Math.floor(seconds / 60)}m`
  return seconds < 172_800 ? `${Math.floor(seconds / 3600)}h` : `${Math.floor(seconds / 86_400)}d`
}
