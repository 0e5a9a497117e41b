// Reads a job file as YAML: one document, its plain value, and the line of each field. Guarantees the value that kubectl reads
// from the same text, or an error with a line. It rejects YAML that only some readers accept. yaml-scalar.ts and yaml-value.ts
// give scalars and objects their values; yaml-scanner-rules.ts has the rules of kubectl's scanner.

import { Composer, type Document, isAlias, isMap, isSeq, Lexer, LineCounter, type Node, Parser } from 'yaml'
import type { Path } from './problem.ts'
import { wrongJob } from './problem.ts'
import { ScannerRules } from './yaml-scanner-rules.ts'
import { isMerge, keyName, readNodes, type Targets, type YamlProblem, type YamlValue } from './yaml-value.ts'

/** A parsed file. `locate` gives the line (from 1) of a field; for an absent field, that of the nearest field around it. */
export interface JobDocument {
  readonly value: unknown
  /** Whether the file itself has this field. */
  has(path: Path): boolean
  locate(path: Path): number
  /** The column (from 1) of the same place. */
  column(path: Path): number
}

/** What a file holds, for messages. */
export interface FileKind {
  /** What to write into an empty file. */
  readonly start: string
  /** What to do with a second document. */
  readonly second: string
}

/** Bytes of a job file: etcd, the store of the API server, accepts no object above 1.5 MiB. */
export const MOST_BYTES = 1.5 * 2 ** 20
/** Levels of nested objects and lists. The deepest field of a job, in a pod template, has about 20. */
const MOST_LEVELS = 200

const JOB: FileKind = {
  start: 'write a job: apiVersion, kind, metadata and spec',
  second: 'put each job into a file of its own',
}

/**
 * Parses the text of a job file; `file` is its name in messages.
 * Throws FedsamError InvalidJob for a text that is not YAML, or does not hold exactly one document with an object.
 */
export function readDocument(file: string, bytes: Uint8Array, kind: FileKind = JOB): JobDocument {
  const text = decode(file, bytes)
  const lines = new LineCounter()
  const found = parse(text, lines)
  const lineOf = (offset: number): number => lines.linePos(offset).line
  if ('problems' in found) {
    const messages = found.problems.map(({ offset, message }) => `${file}:${lineOf(offset)}: ${message}`)
    throw wrongJob([...new Set(messages)].join('\n'))
  }
  const [document, second] = found.documents
  if (!document) throw wrongJob(`${file}: is empty; ${kind.start}`)
  if (second) {
    const place = `${file}:${lineOf(second.offset)}`
    const message = `${place}: holds ${found.documents.length} documents; ${kind.second}`
    throw wrongJob(message)
  }
  const { contents, value, targets } = document
  if (!isMap(contents)) {
    throw wrongJob(`${file}:${lineOf(document.offset)}: is not an object; ${kind.start}`)
  }
  return {
    value,
    has: (path) => find(contents, path, targets).found,
    locate: (path) => lineOf(find(contents, path, targets).offset),
    column: (path) => lines.linePos(find(contents, path, targets).offset).col,
  }
}

/** The value of a short text in YAML, by the rules of a job file; or what is wrong with it and, after a semicolon, what to do. */
export function readValue(text: string): { readonly value: unknown } | { readonly problem: string } {
  const found = parse(text, new LineCounter())
  if ('problems' in found) return { problem: found.problems[0]!.message }
  const [document, second] = found.documents
  return second ? { problem: 'holds two documents; write one value' } : { value: document?.value ?? null }
}

interface ReadDocument {
  readonly contents: Node
  readonly value: YamlValue
  readonly targets: Targets
  readonly offset: number
}

type Parsed = { readonly documents: readonly ReadDocument[] } | { readonly problems: readonly YamlProblem[] }

/** The documents with content. kubectl skips empty ones, for example the one after a `---` at the end. */
function parse(given: string, lines: LineCounter): Parsed {
  const text = given.replaceAll('\r\n', '\n')
  const early = foreignLine(text)
  if (early !== undefined) {
    lines.addNewLine(0)
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', end + 1)) lines.addNewLine(end + 1)
    return { problems: [early] }
  }
  const composed = compose(text, lines)
  if ('problems' in composed) return composed
  const documents: ReadDocument[] = []
  for (const { contents, range } of composed.documents) {
    const read = readNodes(contents as Node | null, text)
    if ('problems' in read) return { problems: read.problems }
    if (read.value === null) continue
    const node = contents as Node
    documents.push({ ...read, contents: node, offset: node.range?.[0] ?? range[0] })
  }
  return { documents }
}

function compose(
  text: string,
  lines: LineCounter,
): { documents: readonly Document.Parsed[] } | { problems: YamlProblem[] } {
  const parser = new Parser(lines.addNewLine)
  lines.addNewLine(0)
  // Scalars stay text: yaml-scalar.ts gives them values. yaml-value.ts checks for equal keys and for tags.
  const composer = new Composer({
    schema: 'failsafe',
    resolveKnownTags: false,
    uniqueKeys: false,
    merge: false,
  })
  const tokens = []
  const rules = new ScannerRules(text)
  for (const lexeme of new Lexer().lex(text)) {
    const problem = rules.next(lexeme, parser.offset)
    if (problem !== undefined) return { problems: [problem] }
    tokens.push(...parser.next(lexeme))
    if (parser.stack.length > MOST_LEVELS) {
      const message = `is nested too deeply; write at most ${MOST_LEVELS} levels`
      return { problems: [{ offset: parser.offset, message }] }
    }
  }
  tokens.push(...parser.end())
  const documents = [...composer.compose(tokens, false, text.length)]
  // The first error is the cause; the others follow from it.
  const error = documents.flatMap(({ errors }) => errors)[0]
  if (!error) return { documents }
  return { problems: [{ offset: error.pos[0], message: `is not YAML: ${error.message}; correct it` }] }
}

/** Characters that libyaml rejects, or that libyaml alone reads as the end of a line. */
const FOREIGN = /[^\t\n\x20-\x7e\xa0-\u2027\u202a-\ufefe\uff00-\ufffd]/

/** The first line that kubectl cannot read, or reads differently from other YAML readers. */
function foreignLine(text: string): YamlProblem | undefined {
  const at = text.search(FOREIGN)
  if (at >= 0) {
    const code = text.charCodeAt(at).toString(16).toUpperCase().padStart(4, '0')
    return {
      offset: at,
      message: `has the character U+${code}; remove it, or write \\u${code} within double quotes`,
    }
  }
  const directive = /^%/m.exec(text)
  if (directive) return { offset: directive.index, message: 'begins with %, a directive; remove the line' }
  const separator = /^---[^\n]*[^\s][^\n]*$/gm
  for (const match of text.matchAll(separator)) {
    if (/^---\s*#/.test(match[0]) || /^---\s*$/.test(match[0])) continue
    return {
      offset: match.index,
      message: 'has more than --- on the line; begin the document on the next line',
    }
  }
  return undefined
}

function decode(file: string, bytes: Uint8Array): string {
  if (bytes.length > MOST_BYTES) {
    const message = `${file}: is larger than ${MOST_BYTES / 2 ** 20} MiB, the most that a cluster stores; make it smaller`
    throw wrongJob(message)
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw wrongJob(`${file}: is not text in UTF-8; save it in UTF-8`, cause)
  }
}

/** Whether a path exists, and the offset of the last step that exists: a field's name or a list's item. */
function find(contents: Node, path: Path, targets: Targets): { found: boolean; offset: number } {
  let node: Node | undefined = contents
  let offset = contents.range?.[0] ?? 0
  for (const step of path) {
    const child = childOf(node, step, targets)
    if (!child) return { found: false, offset }
    offset = child.named.range?.[0] ?? offset
    node = child.child ?? undefined
  }
  return { found: true, offset }
}

interface Child {
  /** The node that has the line: a key, or an item. */
  readonly named: Node
  readonly child: Node | null
}

function childOf(given: Node | undefined, step: string | number, targets: Targets): Child | undefined {
  const node = given && isAlias(given) ? targets.get(given) : given
  if (isSeq(node)) {
    const item = node.items[Number(step)] as Node | undefined
    return item && { named: item, child: item }
  }
  if (!isMap(node)) return undefined
  // The last key wins, as in the value.
  for (const { key, value } of [...node.items].reverse() as { key: Node; value: Node | null }[]) {
    const found = isMerge(key) ? mergedChild(value, step, targets) : ownChild(key, value, step, targets)
    if (found) return found
  }
  return undefined
}

function ownChild(key: Node, child: Node | null, step: string | number, targets: Targets): Child | undefined {
  return keyName(key, targets) === String(step) ? { named: key, child } : undefined
}

function mergedChild(merged: Node | null, step: string | number, targets: Targets): Child | undefined {
  const sources = isSeq(merged) ? (merged.items as Node[]) : [merged ?? undefined]
  for (const source of sources) {
    const found = childOf(source, step, targets)
    if (found) return found
  }
  return undefined
}
