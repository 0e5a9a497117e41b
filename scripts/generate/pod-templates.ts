// Emits charts/fedsam/files/pod-templates.yaml: the rules of operator/reconcile/pods/template-rules.ts as variables and validations
// (CEL) of a ValidatingAdmissionPolicy, for each value of podTemplates that refuses something. A message has the same words as the
// operator's. A template or a security context that the stored job has already is not judged again.
import { stringify } from 'yaml'
import { POD_SECURITY_SHAPE, TEMPLATE_SHAPE } from '#operator/reconcile/pods/template-rules.ts'
import { NOT_ALLOWED, NOT_POSITIVE, notOneOf, type Shape } from '#operator/reconcile/pods/template-shape.ts'

/** A CEL expression about the value that another expression names. */
type About = (value: string) => string

/** A place in a template: how a question about the value there becomes one about the whole template. */
interface Place {
  readonly path: string
  readonly depth: number
  /** Whether the predicate is true of any value at this place. */
  readonly exists: (predicate: About) => About
  /** The texts of all values at this place, joined. */
  readonly texts: (text: About) => About
}

interface Rule {
  readonly bad: About
  /** A string that begins with the path of the field in the template. */
  readonly says: About
}

const quoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
const literal = (value: unknown): string =>
  Array.isArray(value)
    ? `[${value.map(literal).join(', ')}]`
    : typeof value === 'string'
      ? quoted(value)
      : JSON.stringify(value)

const ROOT: Place = { path: '', depth: 0, exists: (predicate) => predicate, texts: (text) => text }

function field(place: Place, name: string): Place {
  const there = (map: string): string => `type(${map}) == map && has(${map}.${name})`
  return {
    ...place,
    path: `${place.path}.${name}`,
    exists: (predicate) => place.exists((map) => `(${there(map)} && ${predicate(`${map}.${name}`)})`),
    texts: (text) => place.texts((map) => `(${there(map)} ? ${text(`${map}.${name}`)} : '')`),
  }
}

function items(place: Place): Place {
  const item = `i${place.depth}`
  return {
    path: `${place.path}[]`,
    depth: place.depth + 1,
    exists: (predicate) =>
      place.exists((list) => `(type(${list}) == list && ${list}.exists(${item}, ${predicate(item)}))`),
    texts: (text) =>
      place.texts((list) => `(type(${list}) == list ? ${list}.map(${item}, ${text(item)}).join('') : '')`),
  }
}

/** The condition comes last: it costs more than most predicates, which are seldom true. */
function where(place: Place, condition: About): Place {
  return {
    ...place,
    exists: (predicate) => place.exists((value) => `(${predicate(value)} && ${condition(value)})`),
    texts: (text) => place.texts((value) => `(${condition(value)} ? ${text(value)} : '')`),
  }
}

/** A rule that refuses the value at a place. */
function refuse(place: Place, predicate: About, why: string): Rule {
  return { bad: place.exists(predicate), says: () => quoted(`${place.path} ${why}`) }
}

/** A rule that refuses keys of the map at a place, and names the first of them. */
function refuseKeys(place: Place, isBad: About): Rule {
  const keys: About = (map) =>
    `(type(${map}) == map ? ${map}.filter(k, ${isBad('k')}).map(k, '.' + string(k) + ' ').join('') : ' ')`
  return {
    bad: place.exists((map) => `(type(${map}) != map || ${map}.exists(k, ${isBad('k')}))`),
    says: (root) =>
      `${quoted(place.path)} + ${place.texts(keys)(root)}.split(' ')[0] + ${quoted(` ${NOT_ALLOWED}`)}`,
  }
}

function rulesOf(shape: Shape, place: Place): Rule[] {
  switch (shape.kind) {
    case 'Any':
      return []
    case 'Never':
      return [refuse(place, () => 'true', NOT_ALLOWED)]
    case 'OneOf':
      return [refuse(place, (value) => `!(${value} in ${literal(shape.values)})`, notOneOf(shape.values))]
    case 'Positive':
      return [refuse(place, (value) => `!(type(${value}) == int && ${value} > 0)`, NOT_POSITIVE)]
    case 'NotNamed':
      return [refuse(place, (value) => `${value} in ${literal(shape.names)}`, shape.what)]
    case 'KeysWithout': {
      const begins = (key: string): string =>
        shape.beginnings.map((start) => `string(${key}).startsWith(${quoted(start)})`).join(' || ')
      return [refuseKeys(place, begins)]
    }
    case 'List':
      return [
        refuse(place, (value) => `type(${value}) != list`, NOT_ALLOWED),
        ...rulesOf(shape.items, items(place)),
      ]
    case 'ByName': {
      const named: About = (value) => `type(${value}) == map && has(${value}.name) && `
      const ours: About = (value) => `(${named(value)}${value}.name in ${literal(shape.names)})`
      return [
        ...rulesOf(shape.named, where(place, ours)),
        ...rulesOf(
          shape.others,
          where(place, (value) => `!${ours(value)}`),
        ),
      ]
    }
    case 'Map': {
      const inside = Object.entries(shape.fields).flatMap(([name, inner]) =>
        rulesOf(inner, field(place, name)),
      )
      if (shape.open) return inside
      const isBad: About = (key) => `!(${key} in ${literal(Object.keys(shape.fields))})`
      return [refuseKeys(place, isBad), ...inside]
    }
  }
}

const REMEDY = '. Remove it, or ask the administrator to change podTemplates of the chart.'

/**
 * A validation over the list `variables.<list>` of {at, pod, whole}. A template or context that is `whole` in the stored job
 * passes; the question is asked last, because it compares with all others.
 */
function validation({ bad, says }: Rule, list: string): Record<string, string> {
  const broken = `${bad('t.pod')} && !(t.whole in variables.stored)`
  const first = `variables.${list}.filter(t, ${broken})[0]`
  // CEL cannot name the value of an expression, so a list of one element does.
  const message = `[${first}].map(t, string(t.at) + ${says('t.pod')})[0] + ${quoted(REMEDY)}`
  return { expression: `!variables.${list}.exists(t, ${broken})`, messageExpression: message }
}

/** An item of such a list. */
const itemOf = (at: string, value: string, whole = value): string =>
  `{'at': dyn(${at}), 'pod': dyn(${value}), 'whole': dyn(${whole})}`

/** The templates that a job has for a role. */
function roleTemplate(role: string): string {
  const place = `object.spec.${role}.template`
  return `(has(object.spec.${role}) && has(${place}) ? [${itemOf(quoted(`spec.${role}.template`), place)}] : [])`
}

/** Whether a change leaves the partitions as they are: then nothing of theirs is judged, however many there are. */
const SAME_PARTITIONS = 'oldObject != null && object.spec.partitions == oldObject.spec.partitions'

/** The same field of all partitions, where a change may have touched it. */
function ofPartitions(has: string, name: string): string {
  const item = itemOf(`'spec.partitions[' + p.name + '].${name}'`, `p.${name}`)
  return `(${SAME_PARTITIONS} ? [] : object.spec.partitions.filter(p, ${has}).map(p, ${item}))`
}

const HAS_TEMPLATE = 'has(p.workers) && has(p.workers.template)'
const HAS_CONTEXT = 'has(p.securityContext)'

/** What the stored job has of both. */
const STORED = [
  ...['coordinator', 'workers'].map(
    (role) =>
      `(has(oldObject.spec.${role}) && has(oldObject.spec.${role}.template) ? [dyn(oldObject.spec.${role}.template)] : [])`,
  ),
  `oldObject.spec.partitions.filter(p, ${HAS_TEMPLATE}).map(p, dyn(p.workers.template))`,
  `oldObject.spec.partitions.filter(p, ${HAS_CONTEXT}).map(p, dyn(p.securityContext))`,
].join(' + ')

/** The fields of a pod that have rules of their own: lists of their own, so that a rule visits only templates that have them. */
const PARTS = ['securityContext', 'volumes', 'initContainers', 'containers'] as const

const partsOf = (name: string): string => {
  const there = `type(t.pod) == map && has(t.pod.spec) && type(t.pod.spec) == map && has(t.pod.spec.${name})`
  const item = itemOf(`string(t.at) + '.spec.${name}'`, `t.pod.spec.${name}`, 't.whole')
  return `variables.templates.filter(t, ${there}).map(t, ${item})`
}

/** Partitions often share a template: this many different ones are judged once, however often they occur. */
const KINDS = 4

/** The templates of a job without repetitions of the first KINDS different ones. */
const withoutRepetitions = (): Record<string, string> => {
  const all = [
    roleTemplate('coordinator'),
    roleTemplate('workers'),
    ofPartitions(HAS_TEMPLATE, 'workers.template'),
  ]
  const rest = Array.from({ length: KINDS }, (_, i) => [
    `others${i + 1}`,
    `variables.others${i}.filter(t, t.pod != variables.others${i}[0].pod)`,
  ])
  const firsts = Array.from(
    { length: KINDS },
    (_, i) => `(size(variables.others${i}) == 0 ? [] : [variables.others${i}[0]])`,
  )
  return {
    others0: all.join(' + '),
    ...Object.fromEntries(rest),
    templates: [...firsts, `variables.others${KINDS}`].join(' + '),
  }
}

const VARIABLES = {
  ...withoutRepetitions(),
  contexts: ofPartitions(HAS_CONTEXT, 'securityContext'),
  stored: `oldObject == null ? [] : ${STORED}`,
  ...Object.fromEntries(PARTS.map((name) => [name, partsOf(name)])),
}

/** The shape without the fields that have a list of their own: they may be anything there. */
function withoutParts(template: Shape): { rest: Shape; parts: readonly (readonly [string, Shape])[] } {
  if (template.kind !== 'Map' || template.fields.spec?.kind !== 'Map')
    throw new Error('a template is a map with a spec')
  const { spec } = template.fields
  const parts = PARTS.map((name) => {
    const shape = spec.fields[name]
    if (shape === undefined) throw new Error(`${name} has no shape`)
    return [name, shape] as const
  })
  const emptied = Object.fromEntries(PARTS.map((name) => [name, { kind: 'Any' } as const]))
  const rest = { ...spec, fields: { ...spec.fields, ...emptied } }
  return { rest: { ...template, fields: { ...template.fields, spec: rest } }, parts }
}

/** The file. Helm reads it as it is; YAML 1.1 would read a key `Off` as false. */
export function emitPodTemplates(banner: string): string {
  const { rest, parts } = withoutParts(TEMPLATE_SHAPE)
  const over = (list: string, shape: Shape) => rulesOf(shape, ROOT).map((rule) => validation(rule, list))
  const contexts = over('contexts', POD_SECURITY_SHAPE)
  const off: Rule = { bad: () => 'true', says: () => quoted(` ${NOT_ALLOWED}`) }
  const file = {
    variables: Object.entries(VARIABLES).map(([name, expression]) => ({ name, expression })),
    whenRestricted: [
      ...over('templates', rest),
      ...parts.flatMap(([name, shape]) => over(name, shape)),
      ...contexts,
    ],
    whenOff: [validation(off, 'templates'), ...contexts],
  }
  return `${banner}${stringify(file, { lineWidth: 0 })}`
}
