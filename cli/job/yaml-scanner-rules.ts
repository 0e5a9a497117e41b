// Checks the rules of kubectl's YAML scanner (scannerc.go of go.yaml.in/yaml/v2) that the package yaml does not have: the places
// of tabs, the end of flow keys, and the characters that end a scalar. Guarantees one verdict per lexeme, in their order. The
// package and yaml-value.ts check all other rules.
import { CST } from 'yaml'
import type { YamlProblem } from './yaml-value.ts'

/** Characters from the start of a key to its colon: the limit of libyaml. */
const LONGEST_KEY = 1024

/** An open [ ] or { }. */
interface Flow {
  /** The offset of the current entry; undefined after a comma. */
  entry: number | undefined
  /** Whether the entry began with a question mark. */
  explicit: boolean
}

/** Follows the lexemes of one text. */
export class ScannerRules {
  readonly #text: string
  readonly #flows: Flow[] = []
  /** Columns of the open block collections. */
  #indents: number[] = []
  /** Columns of question marks that begin a key. Such a key may have several lines. */
  readonly #explicit = new Set<number>()
  /** Whether a key may begin here. Then a tab may not be here, outside of flows. */
  #keyAllowed = true
  /** The offset of a block's last possible key, and its column. */
  #keyAt = 0
  #keyColumn = 0
  /** The offset of the lexeme's line. */
  #lineStart = 0
  /** Whether blanks may belong to a scalar without quotes, which continues until a comment. */
  #afterPlain = false
  #broken = false
  #next: 'Token' | 'Plain' | 'BlockText' = 'Token'
  #blockText = false

  constructor(text: string) {
    this.#text = text
  }

  /** The problem that kubectl finds in this lexeme, which begins at `offset`. */
  next(lexeme: string, offset: number): YamlProblem | undefined {
    const problem = this.#judge(lexeme, offset)
    const end = lexeme.lastIndexOf('\n')
    if (end >= 0) this.#lineStart = offset + end + 1
    return problem
  }

  #judge(lexeme: string, offset: number): YamlProblem | undefined {
    if (this.#next !== 'Token') return this.#scalar(lexeme, offset)
    const type = CST.tokenType(lexeme)
    switch (type) {
      case 'space':
        return this.#space(lexeme, offset)
      case 'newline':
        this.#broken = true
        if (this.#flows.length === 0) this.#keyAllowed = true
        return undefined
      case 'comment':
        this.#afterPlain = false
        return undefined
      case 'scalar':
        this.#next = this.#blockText ? 'BlockText' : 'Plain'
        this.#blockText = false
        return undefined
      case 'block-scalar-header':
        this.#blockText = true
        return undefined
      case 'doc-start':
      case 'doc-end':
        this.#indents = []
        this.#explicit.clear()
        this.#keyAllowed = false
        return undefined
      default:
        return this.#token(type, offset)
    }
  }

  #token(type: CST.TokenType | null, offset: number): YamlProblem | undefined {
    const flow = this.#flows.at(-1)
    this.#afterPlain = false
    if (flow === undefined) this.#unroll(offset)
    switch (type) {
      case 'seq-item-ind':
      case 'explicit-key-ind':
        if (flow === undefined) this.#roll(this.#column(offset))
        if (type === 'explicit-key-ind') this.#begunExplicitly(flow, offset)
        this.#keyAllowed = flow === undefined
        return undefined
      case 'map-value-ind':
        return flow === undefined ? this.#blockColon(offset) : this.#flowColon(flow, offset)
      case 'flow-map-start':
      case 'flow-seq-start':
        this.#begin(offset)
        this.#flows.push({ entry: undefined, explicit: false })
        return undefined
      case 'flow-map-end':
      case 'flow-seq-end':
        this.#flows.pop()
        return undefined
      case 'comma':
        if (flow !== undefined) Object.assign(flow, { entry: undefined, explicit: false })
        return undefined
      default:
        this.#begin(offset)
        return undefined
    }
  }

  #begunExplicitly(flow: Flow | undefined, offset: number): void {
    if (flow === undefined) this.#explicit.add(this.#column(offset))
    else flow.explicit = true
  }

  /** A token that a key may begin with. */
  #begin(offset: number): void {
    const flow = this.#flows.at(-1)
    if (flow !== undefined) flow.entry ??= offset
    else if (this.#keyAllowed) {
      this.#keyAt = offset
      this.#keyColumn = this.#column(offset)
    }
    this.#keyAllowed = false
  }

  #blockColon(offset: number): YamlProblem | undefined {
    const isOneLine = this.#keyAt >= this.#lineStart
    if (isOneLine) this.#roll(this.#keyColumn)
    this.#keyAllowed = !isOneLine
    if (isOneLine || this.#explicit.has(this.#column(offset))) return undefined
    return { offset, message: 'has a colon on another line than its key; write both on one line' }
  }

  #flowColon({ entry, explicit }: Flow, offset: number): YamlProblem | undefined {
    if (explicit || entry === undefined) return undefined
    // A character has at most two units.
    const isShort =
      offset - entry <= 2 * LONGEST_KEY && [...this.#text.slice(entry, offset)].length <= LONGEST_KEY
    if (entry >= this.#lineStart && isShort) return undefined
    const message = `has a key of several lines or more than ${LONGEST_KEY} characters; write a short key on one line`
    return { offset: entry, message }
  }

  #scalar(source: string, offset: number): YamlProblem | undefined {
    const isPlain = this.#next === 'Plain'
    this.#next = 'Token'
    if (!isPlain) {
      this.#keyAllowed = true
      return undefined
    }
    if (this.#flows.length === 0) this.#unroll(offset)
    this.#begin(offset)
    this.#afterPlain = true
    this.#broken = false
    const mark = source.indexOf('?', 1)
    if (this.#flows.length > 0 && mark >= 0) {
      return {
        offset: offset + mark,
        message: 'has a ? within [ ] or { }; put the text in quotes',
      }
    }
    for (const { index, 0: blanks } of source.matchAll(/(?<=\n)[ \t]*\t/g)) {
      const column = blanks.indexOf('\t')
      if (column <= this.#indent()) return tab(offset + index + column)
    }
    return undefined
  }

  #space(blanks: string, offset: number): YamlProblem | undefined {
    const at = offset + blanks.indexOf('\t')
    if (at < offset) return undefined
    if (this.#afterPlain) return this.#broken && this.#column(at) <= this.#indent() ? tab(at) : undefined
    return this.#flows.length === 0 && this.#keyAllowed ? tab(at) : undefined
  }

  #column(offset: number): number {
    return offset - this.#lineStart
  }

  #indent(): number {
    return this.#indents.at(-1) ?? -1
  }

  #roll(column: number): void {
    if (column > this.#indent()) this.#indents.push(column)
  }

  #unroll(offset: number): void {
    const column = this.#column(offset)
    while (this.#indent() > column) this.#explicit.delete(this.#indents.pop()!)
  }
}

function tab(offset: number): YamlProblem {
  return { offset, message: 'has a tab where a key or an item may begin; write spaces' }
}
