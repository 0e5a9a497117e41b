// Evaluates the CRD's cross-field rules (CEL) as the API server does, so that the CRD is the only place of each rule.
// Every number is a CEL double here. A double compares with an int; arithmetic that mixes the two throws, and a test shows it.
import { Environment, Optional } from '@marcbachmann/cel-js'
import { FEDERATED_JOB_SCHEMA } from '#protocol/generated/schema.ts'
import type { StructuralSchema, ValidationRule } from '#protocol/structural-schema.ts'
import { type Path, type Problem, show } from './problem.ts'

/** A rule and its place in the schema, for example "spec.partitions[]". */
export interface PlacedRule {
  readonly at: string
  readonly rule: ValidationRule
}

/** Every rule of the CRD, in the schema's order. */
export function celRules(schema: StructuralSchema = FEDERATED_JOB_SCHEMA, at = ''): PlacedRule[] {
  const own = (schema['x-kubernetes-validations'] ?? []).map((rule) => ({ at, rule }))
  const fields = Object.entries(schema.properties ?? {}).flatMap(([name, field]) =>
    celRules(field, at === '' ? name : `${at}.${name}`),
  )
  const items = schema.items ? celRules(schema.items, `${at}[]`) : []
  return [...own, ...fields, ...items]
}

/** Whether a rule compares with the stored object, and so applies only to changes. With optionalOldSelf it also applies to a new one. */
export function isTransition({ rule, optionalOldSelf = false }: ValidationRule): boolean {
  return /\boldSelf\b/.test(rule) && !optionalOldSelf
}

/**
 * The problems that the rules find in a job with its structural defaults. `old` is the stored job that it would replace; without
 * it, rules for changes do not apply. `tolerant` skips a rule that cannot be evaluated, because checkStructure reports the value
 * of the wrong type. Otherwise such a rule throws, because the rule itself is wrong.
 */
export function checkRules(value: unknown, options: { old?: unknown; tolerant?: boolean } = {}): Problem[] {
  const checker = new RuleChecker(options.tolerant ?? false)
  return checker.check({ schema: FEDERATED_JOB_SCHEMA, value, old: options.old, path: [] })
}

interface Node {
  readonly schema: StructuralSchema
  readonly value: unknown
  readonly old: unknown
  readonly path: Path
}

/** One check: holds the CEL environment, which is costly to create, and the parsed rules. */
class RuleChecker {
  readonly #environment = new Environment({ unlistedVariablesAreDyn: true, enableOptionalTypes: true })
  readonly #parsed = new Map<string, ReturnType<Environment['parse']>>()
  readonly #tolerant: boolean

  constructor(tolerant: boolean) {
    this.#tolerant = tolerant
  }

  check(node: Node): Problem[] {
    if (node.value === undefined || node.value === null) return []
    const own = (node.schema['x-kubernetes-validations'] ?? []).flatMap((rule) => this.#apply(rule, node))
    return [...own, ...childrenOf(node).flatMap((child) => this.check(child))]
  }

  #apply(rule: ValidationRule, { value, old, path }: Node): Problem[] {
    if (isTransition(rule) && (old === undefined || old === null)) return []
    const blamed = (rule.fieldPath ?? '').split('.').filter((step) => step !== '')
    if (this.#holds(rule, celValue(value), rule.optionalOldSelf ? optional(old) : celValue(old))) return []
    return [{ path: [...path, ...blamed], message: blameText(rule.message, lookUp(value, blamed)) }]
  }

  #holds(rule: ValidationRule, self: unknown, oldSelf: unknown): boolean {
    const evaluate = this.#parsed.get(rule.rule) ?? this.#environment.parse(rule.rule)
    this.#parsed.set(rule.rule, evaluate)
    try {
      return evaluate({ self, oldSelf }) !== false
    } catch (cause) {
      if (this.#tolerant) return true
      throw new Error(`the rule ${rule.rule} cannot be evaluated`, { cause })
    }
  }
}

/** "4 is above …": the message begins with the scalar at fault. */
function blameText(message: string, value: unknown): string {
  const scalar = typeof value === 'number' || (typeof value === 'string' && value !== '')
  return scalar && message.startsWith('is ') ? `${show(value)} ${message}` : message
}

function lookUp(value: unknown, steps: readonly string[]): unknown {
  return steps.reduce<unknown>(
    (node, step) => (node as Readonly<Record<string, unknown>> | undefined)?.[step],
    value,
  )
}

function childrenOf({ schema, value, old, path }: Node): Node[] {
  if (Array.isArray(value)) {
    const items = schema.items
    return items
      ? value.map((item, index) => ({
          schema: items,
          value: item,
          old: oldItem(schema, item, old),
          path: [...path, index],
        }))
      : []
  }
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(schema.properties ?? {}).map(([name, field]) => ({
    schema: field,
    value: lookUp(value, [name]),
    old: lookUp(old ?? {}, [name]),
    path: [...path, name],
  }))
}

/** The stored item that an item replaces. Only lists with a key have one. */
function oldItem(schema: StructuralSchema, item: unknown, old: unknown): unknown {
  const key = schema['x-kubernetes-list-map-keys']?.[0]
  if (key === undefined || !Array.isArray(old)) return undefined
  return old.find((other) => lookUp(other, [key]) === lookUp(item, [key]))
}

function optional(old: unknown): Optional {
  return old === undefined || old === null ? Optional.none() : Optional.of(celValue(old))
}

/** The value as rules see it: a null field of an object counts as absent. */
function celValue(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(celValue)
  if (typeof value !== 'object' || value === null) return value
  const fields = Object.entries(value).filter(([, field]) => field !== null)
  // A Map, because the evaluator reads `constructor` of an object, and the user's data may have a field of that name.
  return new Map(fields.map(([name, field]) => [name, celValue(field)]))
}
