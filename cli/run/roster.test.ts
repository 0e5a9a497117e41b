// A roster is read by name and key, in YAML and JSON; anything else has a message that names the entry.
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { readRoster } from './roster.ts'

let folder = ''
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fedsam-roster-'))
})
after(() => rm(folder, { recursive: true, force: true }))

const A = 'a'.repeat(64)
/** A key that YAML would read as a number. */
const DIGITS = '1'.repeat(64)

async function read(text: string) {
  const file = join(folder, 'roster.yaml')
  await writeFile(file, text)
  return Object.fromEntries(await readRoster(file))
}

test('one key or several, in YAML and in JSON', async () => {
  const wanted = { 'hospital-a': [A], 'hospital-b': [A, DIGITS] }
  assert.deepEqual(await read(`# sites\nhospital-a: ${A}\nhospital-b: [${A}, ${DIGITS}]\n`), wanted)
  assert.deepEqual(await read(JSON.stringify({ 'hospital-a': A, 'hospital-b': [A, DIGITS] })), wanted)
})

const refused: readonly [what: string, text: string, says: RegExp][] = [
  ['no entry', '{}', /names no client/],
  ['nothing', '', /the file: /],
  ['a short key', 'a: abc', /: a: /],
  ['a client without a key', 'a: []', /: a: /],
  ['another name', `Hospital A: ${A}`, /is not the name of a client/],
  ['the same client twice', `a: ${A}\na: ${A}`, /is not YAML/],
  ['an alias', `a: &x ${A}\nb: *x`, /is not YAML/],
  ['broken text', '{a: ', /is not YAML/],
]
for (const [what, text, says] of refused) {
  test(`${what} is refused`, () => assert.rejects(read(text), { code: 'InvalidJob', message: says }))
}

test('a file that is missing, and a folder', async () => {
  await assert.rejects(readRoster(join(folder, 'none')), { message: /cannot be read \(ENOENT\)/ })
  await assert.rejects(readRoster(folder), { message: /is not a file/ })
})
