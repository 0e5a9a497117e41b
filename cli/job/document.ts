// A job file as YAML: one document, its plain value, and the line that each field stands on.
import { type Document, isMap, isScalar, isSeq, LineCounter, type Node, parseAllDocuments } from 'yaml'
import { FedsamError } from '#protocol/errors.ts'
import type { Path } from './problem.ts'

/** A parsed file. `locate` gives the line (from 1) of a field, or of the nearest field around one that is not there. */
export interface JobDocument {
  readonly value: unknown
  locate(path: Path): number
}

/**
 * Parses the text of a job file; `file` is its name in messages.
 * Throws FedsamError InvalidJob where it is not YAML, or does not hold exactly one document, or that is not an object.
 */
export function readDocument(file: string, text: string): JobDocument {
  const lines = new LineCounter()
  const documents = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false }) as Document[]
  const errors = documents.flatMap((document) => document.errors)
  if (errors.length > 0) {
    const messages = errors.map(
      (error) => `${file}:${lines.linePos(error.pos[0]).line}: is not YAML: ${error.message}; correct it`,
    )
    throw new FedsamError('InvalidJob', messages.join('\n'))
  }
  const [document, second] = documents
  if (!document || (!second && document.contents === null)) {
    throw new FedsamError('InvalidJob', `${file}: is empty; write a job: apiVersion, kind, metadata and spec`)
  }
  if (second) {
    const line = lines.linePos(second.range?.[0] ?? 0).line
    throw new FedsamError(
      'InvalidJob',
      `${file}:${line}: holds ${documents.length} documents; put each job into a file of its own`,
    )
  }
  const contents = document.contents as Node
  if (!isMap(contents)) {
    throw new FedsamError(
      'InvalidJob',
      `${file}:1: is not an object; write a job: apiVersion, kind, metadata and spec`,
    )
  }
  return { value: document.toJS() as unknown, locate: (path) => lines.linePos(offsetOf(contents, path)).line }
}

/** Where the last step of the path that is there begins: a field's name, a list's item. */
function offsetOf(contents: Node, path: Path): number {
  let node: unknown = contents
  let offset = contents.range?.[0] ?? 0
  for (const step of path) {
    const pair = isMap(node)
      ? node.items.find(({ key }) => isScalar(key) && String(key.value) === String(step))
      : undefined
    const item = isSeq(node) ? node.items[Number(step)] : undefined
    const found = (pair?.key ?? item) as Node | undefined
    if (!found) break
    offset = found.range?.[0] ?? offset
    node = pair ? pair.value : item
  }
  return offset
}
