// Which fields of types the programs read and write, found with the TypeScript compiler: by the symbol of each access, so that neither
// a comment nor a field of the same name elsewhere counts. A value that is given to a place with a type of its own is followed: a
// reader of that type's field reads the value's field. The compiler's API is marked unstable; this is the only file that calls it.
import type {
  BindingElement,
  Expression,
  Node,
  ObjectBindingPattern,
  ObjectLiteralExpression,
  ParenthesizedExpression,
} from 'typescript/unstable/ast'
import { SyntaxKind } from 'typescript/unstable/ast'
import * as is from 'typescript/unstable/ast/is'
import {
  API,
  type APIOptions,
  type Checker,
  type Program,
  type Symbol as Property,
  type Type,
  TypeFlags,
} from 'typescript/unstable/sync'

/** A declaration of a field, as the compiler numbers it. */
type Declaration = string

type Links = Map<Declaration, Set<Declaration>>

/** A type that a file declares, or the type of one of its fields: "TrainerSettings.dataset". */
export interface TypePlace {
  readonly file: string
  readonly type: string
}

export interface Programs {
  /** The folder of tsconfig.json. */
  readonly root: string
  /** Whether a file, relative to root, belongs to a program. */
  readonly includes: (file: string) => boolean
  /** The names of the fields that matter; others are not followed. */
  readonly fields: ReadonlySet<string>
}

/** An expression and the node whose contextual type is the type of the place that it is given to. */
interface Given {
  readonly value: Node
  readonly place: Node
}

/** What declares a field by writing it. */
const LITERAL: ReadonlySet<SyntaxKind> = new Set([
  SyntaxKind.PropertyAssignment,
  SyntaxKind.ShorthandPropertyAssignment,
])
const OBJECTS = TypeFlags.Object | TypeFlags.UnionOrIntersection

/** The uses of fields in a project. Close it: it holds a process of the compiler. */
export class FieldUses {
  readonly #api: API
  readonly #program: Program
  readonly #checker: Checker
  readonly #root: string
  readonly #fields: ReadonlySet<string>
  readonly #reads = new Set<Declaration>()
  readonly #writes = new Set<Declaration>()
  /** Field of a value to the fields of places that it is given to. */
  readonly #readers = new Map<Declaration, Set<Declaration>>()
  /** The other way round. */
  readonly #writers = new Map<Declaration, Set<Declaration>>()
  readonly #followed = new Set<string>()
  readonly #properties = new Map<number, readonly Property[]>()

  /** `fields`: the names of fields that matter; it follows no others. */
  constructor({ root, includes, fields }: Programs, options: APIOptions = {}) {
    this.#root = root
    this.#fields = fields
    this.#api = new API({ cwd: root, ...options })
    const snapshot = this.#api.updateSnapshot({ openProjects: [`${root}/tsconfig.json`] })
    const project = snapshot.getProject(`${root}/tsconfig.json`)
    if (!project) throw new Error(`${root}/tsconfig.json cannot be opened`)
    this.#program = project.program
    this.#checker = project.checker
    for (const name of this.#program.getSourceFileNames())
      if (name.startsWith(`${root}/`) && includes(name.slice(root.length + 1))) this.#read(name)
  }

  close(): void {
    this.#api.close()
  }

  /** The value of a type reaches another program as JSON, which no type shows. */
  addFlow(from: TypePlace, to: TypePlace): void {
    this.#follow(this.#typeAt(from), this.#typeAt(to))
  }

  /** A program that is not ours reads the fields of a type. */
  addReader(type: TypePlace): void {
    for (const property of this.#propertiesOf(this.#typeAt(type))) this.#add(this.#reads, property)
  }

  /** Whether a program reads the field of a type, here or as the field of another type that it is given to. */
  isRead(type: TypePlace, field: string): boolean {
    return this.#isUsed(type, field, { uses: this.#reads, links: this.#readers })
  }

  /** Whether a program writes the field in a literal, of this type or of another that is given to it. */
  isWritten(type: TypePlace, field: string): boolean {
    return this.#isUsed(type, field, { uses: this.#writes, links: this.#writers })
  }

  #isUsed(
    type: TypePlace,
    field: string,
    { uses, links }: { uses: Set<Declaration>; links: Links },
  ): boolean {
    const seen = new Set(declarations(this.#checker.getPropertyOfType(this.#typeAt(type), field)))
    for (const declaration of seen) {
      if (uses.has(declaration)) return true
      for (const next of links.get(declaration) ?? []) seen.add(next)
    }
    return false
  }

  #typeAt({ file, type }: TypePlace): Type {
    const [name, ...steps] = type.split('.')
    const source = this.#program.getSourceFile(`${this.#root}/${file}`)
    let found: Type | undefined
    source?.forEachChild((node) => {
      const named =
        is.isInterfaceDeclaration(node) || is.isTypeAliasDeclaration(node) || is.isClassDeclaration(node)
      if (!named || node.name?.text !== name) return
      const symbol = this.#checker.getSymbolAtLocation(node.name as Node)
      if (symbol) found = this.#checker.getDeclaredTypeOfSymbol(symbol)
    })
    for (const step of steps) {
      const property = found && this.#checker.getPropertyOfType(found, step.replace('[]', ''))
      const own = property && this.#checker.getTypeOfSymbol(property)
      found = own && this.#checker.getNonNullableType(own)
      if (step.endsWith('[]')) found = found && this.#itemOf(found)
    }
    if (!found) throw new Error(`${file} declares no type ${type}`)
    return found
  }

  #read(name: string): void {
    const file = this.#program.getSourceFile(name)
    if (!file) return
    const nodes: Node[] = []
    const walk = (node: Node): void => {
      nodes.push(node)
      node.forEachChild(walk)
    }
    walk(file)
    this.#readAccesses(nodes.flatMap(accessOf))
    this.#readPatterns(nodes.filter(is.isObjectBindingPattern))
    this.#readGiven(nodes.flatMap(givenIn))
  }

  #readAccesses(names: readonly Node[]): void {
    for (const property of this.#checker.getSymbolAtLocation(names)) this.#add(this.#reads, property)
  }

  #readPatterns(patterns: readonly ObjectBindingPattern[]): void {
    const types = this.#checker.getTypeAtLocation(patterns)
    for (const [index, pattern] of patterns.entries()) {
      const type = types[index]
      if (!type) continue
      for (const part of this.#parts(type))
        for (const name of pattern.elements.flatMap(boundName))
          this.#add(this.#reads, this.#checker.getPropertyOfType(part, name))
    }
  }

  #readGiven(given: readonly Given[]): void {
    const types = this.#checker.getTypeAtLocation(given.map(({ value }) => value))
    for (const [index, { value, place }] of given.entries()) {
      const type = types[index]
      if (!type || (type.flags & OBJECTS) === 0 || !this.#hasField(type)) continue
      const wanted = this.#checker.getContextualType(place as Expression)
      if (!wanted) continue
      if (is.isObjectLiteralExpression(value)) this.#write(wanted, value)
      else this.#follow(type, wanted)
    }
  }

  /** A literal writes the fields that it names; what it spreads is given by itself. */
  #write(wanted: Type, literal: ObjectLiteralExpression): void {
    const names = literal.properties.flatMap(writtenName)
    for (const part of this.#parts(wanted))
      for (const name of names.filter((one) => this.#fields.has(one)))
        this.#add(this.#writes, this.#checker.getPropertyOfType(part, name))
  }

  #hasField(type: Type): boolean {
    return this.#parts(type).some(
      (part) => this.#propertiesOf(part).length > 0 || this.#checker.isArrayType(part),
    )
  }

  /** A value of type `from` is given to a place of type `to`. */
  #follow(from: Type, to: Type): void {
    const pair = `${from.id} ${to.id}`
    if (from.id === to.id || this.#followed.has(pair)) return
    this.#followed.add(pair)
    const [sources, targets] = [this.#parts(from), this.#parts(to)]
    for (const source of sources) for (const target of targets) this.#followPart(source, target)
  }

  #followPart(from: Type, to: Type): void {
    const [item, place] = [this.#itemOf(from), this.#itemOf(to)]
    if (item && place) this.#follow(item, place)
    if (item || place) return
    for (const property of this.#propertiesOf(from)) {
      const target = this.#checker.getPropertyOfType(to, property.name)
      if (target) this.#followField(property, target)
    }
  }

  #followField(from: Property, to: Property): void {
    const [own, others] = [declarations(from), declarations(to)]
    if (others.length === 0 || own.some((declaration) => others.includes(declaration))) return
    if (from.declarations.some(({ kind }) => LITERAL.has(kind))) this.#add(this.#writes, to)
    for (const declaration of own)
      for (const other of others) {
        link(this.#readers, declaration, other)
        link(this.#writers, other, declaration)
      }
    const [type, wanted] = this.#checker.getTypeOfSymbol([from, to])
    if (type && wanted && (type.flags & OBJECTS) !== 0) this.#follow(type, wanted)
  }

  #itemOf(type: Type): Type | undefined {
    if (!this.#checker.isArrayType(type) || !type.isTypeReference()) return undefined
    return this.#checker.getTypeArguments(type)[0]
  }

  /** The object types of a type: the members of a union, without null and undefined. */
  #parts(type: Type): readonly Type[] {
    const parts = type.isUnionType() ? (type.getTypes() ?? []) : [type]
    return parts.filter(({ flags }) => (flags & (TypeFlags.Object | TypeFlags.Intersection)) !== 0)
  }

  #propertiesOf(type: Type): readonly Property[] {
    const known = this.#properties.get(type.id)
    if (known) return known
    const all = this.#checker.isArrayType(type) ? [] : this.#checker.getPropertiesOfType(type)
    const found = all.filter(({ name }) => this.#fields.has(name))
    this.#properties.set(type.id, found)
    return found
  }

  #add(uses: Set<Declaration>, property: Property | undefined): void {
    for (const declaration of declarations(property)) uses.add(declaration)
  }
}

function declarations(property: Property | undefined): Declaration[] {
  return (property?.declarations ?? []).map(({ path, index }) => `${path}#${index}`)
}

function link(links: Links, from: Declaration, to: Declaration): void {
  links.set(from, (links.get(from) ?? new Set()).add(to))
}

/** The name in value.name and value['name'], unless it is assigned to. */
function accessOf(node: Node): Node[] {
  const { parent } = node
  if (parent && is.isBinaryExpression(parent) && isAssignment(parent) && parent.left === node) return []
  if (is.isPropertyAccessExpression(node)) return [node.name]
  if (is.isElementAccessExpression(node) && is.isStringLiteral(node.argumentExpression))
    return [node.argumentExpression]
  return []
}

function writtenName(node: Node): string[] {
  const named = is.isPropertyAssignment(node) || is.isShorthandPropertyAssignment(node)
  return named && is.isIdentifier(node.name) ? [node.name.text] : []
}

function boundName({ name, propertyName, dotDotDotToken }: BindingElement): string[] {
  const key = propertyName ?? name
  return dotDotDotToken || !key || !(is.isIdentifier(key) || is.isStringLiteral(key)) ? [] : [key.text]
}

/** Expressions of a node that are given to a place with a type: arguments, fields, results, variables with a type. */
function givenIn(node: Node): Given[] {
  if (is.isSpreadAssignment(node))
    return outcomes(node.expression).map((value) => ({ value, place: node.parent }))
  return placesIn(node).flatMap((value) =>
    value ? outcomes(value).map((one) => ({ value: one, place: one })) : [],
  )
}

function placesIn(node: Node): readonly (Node | undefined)[] {
  if (is.isCallExpression(node) || is.isNewExpression(node)) return node.arguments ?? []
  if (is.isPropertyAssignment(node)) return [node.initializer]
  if (is.isShorthandPropertyAssignment(node)) return [node.name]
  if (is.isReturnStatement(node)) return [node.expression]
  if (is.isArrowFunction(node)) return is.isBlock(node.body) ? [] : [node.body]
  if (is.isVariableDeclaration(node)) return node.type ? [node.initializer] : []
  if (is.isArrayLiteralExpression(node)) return node.elements
  return is.isBinaryExpression(node) && isAssignment(node) ? [node.right] : []
}

/** What an expression may result in: the branches of ?:, ??, || and &&. */
function outcomes(node: Node): Node[] {
  // It has no fields, and the compiler's API cannot pass on the types of some.
  if (is.isArrayLiteralExpression(node) && node.elements.length === 0) return []
  const wrapped = [is.isParenthesizedExpression, is.isSatisfiesExpression, is.isAsExpression]
  if (wrapped.some((wraps) => wraps(node))) return outcomes((node as ParenthesizedExpression).expression)
  if (is.isConditionalExpression(node)) return [...outcomes(node.whenTrue), ...outcomes(node.whenFalse)]
  if (is.isBinaryExpression(node) && CHOICES.has(node.operatorToken.getText()))
    return [...outcomes(node.left), ...outcomes(node.right)]
  return [node]
}

const CHOICES: ReadonlySet<string> = new Set(['??', '||', '&&'])

function isAssignment(node: Node): boolean {
  return is.isBinaryExpression(node) && node.operatorToken.getText() === '='
}
