// Converts a YAML document to its plain value, as kubectl converts it to JSON: it resolves aliases and merge keys in the order
// of the text, and keys become strings. Guarantees that every problem has its place, and that aliases cannot turn a small file
// into a large value. It rejects keys that readers treat differently: a key twice, a list, a number with a fraction.
import { isAlias, isMap, isScalar, isSeq, type Node, type Pair, Scalar, type YAMLMap } from 'yaml'
import { isInteger, plainScalar, ScalarError, type ScalarValue, taggedScalar } from './yaml-scalar.ts'

/** A problem at an offset of the text. */
export interface YamlProblem {
  readonly offset: number
  readonly message: string
}

export type YamlValue = ScalarValue | readonly YamlValue[] | { readonly [field: string]: YamlValue }

/** The node that each alias names. Aliases without a target are absent. */
export type Targets = ReadonlyMap<Node, Node>

/** Values that a file may have after its aliases are resolved: enough for 1000 partitions with a hundred fields each. */
const MOST_VALUES = 100_000

/** The value of a document's node, or all its problems. */
export function readNodes(
  root: Node | null,
  text: string,
): { value: YamlValue; targets: Targets } | { problems: YamlProblem[] } {
  const targets = bindAliases(root)
  const reader = new Reader(text, targets)
  if (reader.count(root) > MOST_VALUES) {
    reader.refuse(
      root,
      `holds more than ${MOST_VALUES} values after its aliases are resolved; use fewer aliases`,
    )
  }
  if (reader.problems.length > 0) return { problems: reader.problems }
  const value = reader.read(root)
  return reader.problems.length > 0 ? { problems: reader.problems } : { value, targets }
}

/** Whether a key merges the fields of another object into its own. */
export function isMerge(key: unknown): boolean {
  if (!isScalar(key) || key.value !== '<<') return false
  return key.tag === undefined
    ? key.type === Scalar.PLAIN
    : ['!', 'tag:yaml.org,2002:merge'].includes(key.tag)
}

/** The name of a field; undefined where kubectl has none for such a key. */
export function keyName(key: Node | null, targets: Targets): string | undefined {
  const node = key && isAlias(key) ? targets.get(key) : key
  if (!isScalar(node)) return undefined
  try {
    const value = scalarValue(node)
    if (typeof value === 'number') return isInteger(String(node.value)) ? String(value) : undefined
    return typeof value === 'string' || typeof value === 'boolean' ? String(value) : undefined
  } catch {
    return undefined
  }
}

/** An alias names the last anchor of its name before it. */
function bindAliases(root: Node | null): Targets {
  const anchors = new Map<string, Node>()
  const targets = new Map<Node, Node>()
  const visit = (node: Node | null): void => {
    if (node === null) return
    if (isAlias(node)) {
      const target = anchors.get(node.source)
      if (target) targets.set(node, target)
      return
    }
    if ('anchor' in node && typeof node.anchor === 'string') anchors.set(node.anchor, node)
    for (const child of childrenOf(node)) visit(child)
  }
  visit(root)
  return targets
}

function childrenOf(node: Node): (Node | null)[] {
  if (isSeq(node)) return node.items as Node[]
  if (isMap(node)) return node.items.flatMap(({ key, value }) => [key as Node | null, value as Node | null])
  return []
}

function scalarValue({ tag, type, value }: Scalar): ScalarValue {
  const text = String(value)
  if (!text.isWellFormed()) throw new ScalarError('has half of a surrogate pair; write the whole character')
  if (type?.startsWith('BLOCK') && /^\n*\t/.test(text)) {
    throw new ScalarError('begins with a tab; indent the text with spaces')
  }
  if (type === Scalar.PLAIN && /^[:?]/.test(text)) {
    throw new ScalarError(`begins with ${text[0]}; put it in quotes`)
  }
  if (tag === '!' && type === Scalar.PLAIN && text === '')
    throw new ScalarError('has a tag and no value; add one')
  if (tag !== undefined) return taggedScalar(tag, text)
  return type === Scalar.PLAIN ? plainScalar(text) : text
}

/** Reads one document, and collects its problems. */
class Reader {
  readonly problems: YamlProblem[] = []
  readonly #text: string
  readonly #targets: Targets
  /** The number of values below a node; undefined while the node is being counted. */
  readonly #counts = new Map<Node, number | undefined>()

  constructor(text: string, targets: Targets) {
    this.#text = text
    this.#targets = targets
  }

  refuse(node: Node | null, message: string): void {
    this.problems.push({ offset: node?.range?.[0] ?? 0, message })
  }

  /** The number of values of a node with its aliases resolved. Rejects an alias without a target or within its own target. */
  count(node: Node | null): number {
    if (node === null) return 1
    if (isAlias(node)) return this.#countTarget(node)
    if (this.#counts.has(node)) return this.#counts.get(node) ?? 1
    this.#checkAnchor(node)
    this.#counts.set(node, undefined)
    const count = childrenOf(node).reduce((sum, child) => sum + this.count(child), 1)
    this.#counts.set(node, count)
    return count
  }

  /** The only names that libyaml accepts. */
  #checkAnchor(node: Node): void {
    const name = 'anchor' in node ? String(node.anchor ?? 'none') : 'none'
    if (!/^[\w-]+$/.test(name)) this.refuse(node, `has the anchor &${name}; use letters, digits, _ and -`)
  }

  #countTarget(alias: Node & { readonly source: string }): number {
    const target = this.#targets.get(alias)
    const { source } = alias
    if (target === undefined) {
      this.refuse(alias, `has the alias *${source} and no anchor &${source} before it; correct the name`)
      return 1
    }
    if (this.#counts.has(target) && this.#counts.get(target) === undefined) {
      this.refuse(alias, `has the alias *${source} within its own anchor; remove one of them`)
      return 1
    }
    return this.count(target)
  }

  read(node: Node | null): YamlValue {
    if (node === null) return null
    if (isAlias(node)) return this.read(this.#targets.get(node)!)
    if (isSeq(node)) return node.items.map((item) => this.read(item as Node | null))
    if (isMap(node)) return this.#readMap(node, {})
    return this.#attempt(node, () => scalarValue(node as Scalar)) ?? null
  }

  #readMap(map: YAMLMap, fields: Record<string, YamlValue>): Record<string, YamlValue> {
    const own = new Set<string>()
    for (const pair of map.items as Pair<Node | null, Node | null>[]) {
      if (isMerge(pair.key)) this.#merge(pair, fields)
      else this.#readField(pair, own, fields)
    }
    return fields
  }

  #readField(
    { key, value }: Pair<Node | null, Node | null>,
    own: Set<string>,
    fields: Record<string, YamlValue>,
  ): void {
    const name = keyName(key, this.#targets)
    if (this.#isGlued(key, value)) this.refuse(key, 'has no space after the colon; write one')
    else if (name === undefined) this.refuse(key, 'has a key that is not text; put the key in quotes')
    else if (name === '__proto__') this.refuse(key, `has the key ${name}, which is not a field; remove it`)
    else if (own.has(name)) this.refuse(key, `has the key ${name} twice; remove one of them`)
    else {
      own.add(name)
      fields[name] = this.read(value)
    }
  }

  /** {a:1} has the one key a:1, not the field a, and readers differ about {a:}. */
  #isGlued(key: Node | null, value: Node | null): boolean {
    if (!isScalar(key) || key.type !== Scalar.PLAIN) return false
    if (value === null && String(key.value).includes(':')) return true
    const end = key.range?.[1] ?? 0
    return this.#text[end] === ':' && /^\S/.test(this.#text.slice(end + 1, end + 2))
  }

  /** As in kubectl, the later value in the text wins, whether it is merged or written here. */
  #merge({ key, value }: Pair<Node | null, Node | null>, fields: Record<string, YamlValue>): void {
    const sources = isSeq(value) ? [...(value.items as Node[])].reverse() : [value]
    for (const source of sources) {
      const map = source !== null && isAlias(source) ? this.#targets.get(source) : source
      if (isMap(map)) this.#readMap(map, fields)
      else this.refuse(key, 'has a key << without an object to merge; write << with an alias of one')
    }
  }

  #attempt<T>(node: Node | null, read: () => T): T | undefined {
    try {
      return read()
    } catch (error) {
      if (!(error instanceof ScalarError)) throw error
      this.refuse(node, error.message)
      return undefined
    }
  }
}
