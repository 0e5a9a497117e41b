// What counts as a read and as a write of a field, and what does not, in a project of three files.
import assert from 'node:assert/strict'
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { FieldUses } from './field-uses.ts'

const TYPES = `
export interface Spec {
  accessed: { inner: number }; optional?: { deep?: number }; bound: number; renamed: number; item: { field: number }[]
  quoted: number; given: { passed: number; ignored: number }; spread: number; chosen: number
  comment: number; other: number; assigned: number; typed: number; text: number; elsewhere: number; sent: number; copied: number
}
export interface Status { literal?: number; inferred?: number; handed?: { far?: number; never?: number }; unwritten?: number }
`
const PROGRAM = `
import type { Spec, Status } from './types.ts'
interface Own { passed: number; ignored: number }
interface Wide { spread: number; chosen?: number }
declare const spec: Spec
declare const unrelated: { other: number }
export const access = [spec.accessed.inner, spec.optional?.deep, spec['quoted'], spec.item.map(({ field }) => field), unrelated.other]
export function bind({ bound, renamed: name }: Spec) { return [bound, name] }
function take(own: Own) { return own.passed }
export const given = take(spec.given)
function widen(wide: Wide) { return [wide.spread, wide.chosen] }
export const widened = widen({ ...spec }) // never reads .comment
spec.assigned = 1
export type Typed = Spec['typed']
export const text = 'spec.text'
export const copy: Spec = { ...spec }
export function write(): Status {
  const inferred = { inferred: 1 }
  return { literal: 1, ...inferred, handed: near() }
}
function near(): { far: number } { return { far: 1 } }
export interface Sent { sent: number }
export const receive = (message: Sent) => message.sent
`
const NAMES = [...TYPES.matchAll(/(\w+)\??:/g)].map(([, name]) => name!)

let root: string
let uses: FieldUses
before(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'fedsam-uses-')))
  const compilerOptions = {
    lib: ['es2015'],
    types: [],
    strict: true,
    noEmit: true,
    allowImportingTsExtensions: true,
  }
  const options = { ...compilerOptions, module: 'nodenext', moduleResolution: 'nodenext' }
  writeFileSync(join(root, 'tsconfig.json'), JSON.stringify({ compilerOptions: options, include: ['*.ts'] }))
  writeFileSync(join(root, 'types.ts'), TYPES)
  writeFileSync(join(root, 'program.ts'), PROGRAM)
  writeFileSync(
    join(root, 'shown.ts'),
    `import type { Spec } from './types.ts'\nexport const show = (spec: Spec) => spec.elsewhere\n`,
  )
  uses = new FieldUses({ root, includes: (file) => file === 'program.ts', fields: new Set(NAMES) })
})
after(() => {
  uses?.close()
  rmSync(root, { recursive: true, force: true })
})

const at = (type: string) => ({ file: 'types.ts', type })

for (const [type, field] of [
  ['Spec', 'accessed'],
  ['Spec.accessed', 'inner'],
  ['Spec', 'optional'],
  ['Spec.optional', 'deep'],
  ['Spec', 'bound'],
  ['Spec', 'renamed'],
  ['Spec', 'item'],
  ['Spec.item[]', 'field'],
  ['Spec', 'quoted'],
  ['Spec.given', 'passed'],
  ['Spec', 'spread'],
  ['Spec', 'chosen'],
] as const) {
  test(`${type}.${field} is read`, () => assert.ok(uses.isRead(at(type), field)))
}

for (const [type, field] of [
  ['Spec.given', 'ignored'],
  ['Spec', 'comment'],
  ['Spec', 'other'],
  ['Spec', 'assigned'],
  ['Spec', 'typed'],
  ['Spec', 'text'],
  ['Spec', 'elsewhere'],
  ['Spec', 'copied'],
] as const) {
  test(`${type}.${field} is not read`, () => assert.ok(!uses.isRead(at(type), field)))
}

test('a field that reaches its reader as JSON is read once the test says so', () => {
  assert.ok(!uses.isRead(at('Spec'), 'sent'))
  uses.addFlow(at('Spec'), { file: 'program.ts', type: 'Sent' })
  assert.ok(uses.isRead(at('Spec'), 'sent'))
})

test('fields that literals name are written, here or before they are given to the type', () => {
  for (const field of ['literal', 'inferred', 'handed']) assert.ok(uses.isWritten(at('Status'), field), field)
  assert.ok(uses.isWritten(at('Status.handed'), 'far'))
  assert.ok(!uses.isWritten(at('Status.handed'), 'never'))
  assert.ok(!uses.isWritten(at('Status'), 'unwritten'))
})

test('a type that is not there is no type without fields', () => {
  assert.throws(() => uses.isRead(at('Absent'), 'field'), /types\.ts declares no type Absent/)
})
