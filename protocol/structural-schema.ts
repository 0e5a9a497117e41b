// The subset of Kubernetes' structural schemas that our CRD uses, as plain data. protocol/generated/schema.ts is a value of it;
// protocol/defaults.ts fills defaults in by it, and the command line checks job files by it. Anything else does not compile,
// and the generator refuses it.

/** A cross-field rule (x-kubernetes-validations): CEL over `self`, and over `oldSelf` where it compares with the stored object. */
export interface ValidationRule {
  readonly rule: string
  /** What is wrong and, after a semicolon, what to do. */
  readonly message: string
  /** The field that is to blame, relative to the object that has the rule: ".strategy.minFitClients". */
  readonly fieldPath?: string
  readonly reason?: string
  /** `oldSelf` is an optional value, which a new object does not have: the rule applies to new objects too. */
  readonly optionalOldSelf?: boolean
}

/** One node of a structural schema. */
export interface StructuralSchema {
  readonly type?: 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean'
  readonly format?: 'int32' | 'int64' | 'date-time'
  readonly nullable?: boolean
  readonly default?: unknown
  readonly enum?: readonly string[]
  readonly properties?: Readonly<Record<string, StructuralSchema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: StructuralSchema
  readonly minProperties?: number
  readonly maxProperties?: number
  readonly items?: StructuralSchema
  readonly minItems?: number
  readonly maxItems?: number
  readonly minLength?: number
  readonly maxLength?: number
  readonly pattern?: string
  readonly minimum?: number
  readonly exclusiveMinimum?: boolean
  readonly maximum?: number
  readonly exclusiveMaximum?: boolean
  readonly 'x-kubernetes-int-or-string'?: boolean
  readonly 'x-kubernetes-preserve-unknown-fields'?: boolean
  readonly 'x-kubernetes-list-type'?: 'atomic' | 'set' | 'map'
  readonly 'x-kubernetes-list-map-keys'?: readonly string[]
  readonly 'x-kubernetes-validations'?: readonly ValidationRule[]
}

/** The schema of an object's field; undefined for a name that the schema does not list, such as toString or constructor. */
export function fieldSchema(schema: StructuralSchema, name: string): StructuralSchema | undefined {
  const { properties = {}, additionalProperties } = schema
  return Object.hasOwn(properties, name) ? properties[name] : additionalProperties
}
