// A job file has the value that kubectl reads from each notation, and each rejection has its exact text.
// test/cluster/yaml.test.ts compares with kubectl itself.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FedsamError } from '#protocol/errors.ts'
import { MOST_BYTES, readDocument, readValue } from './document.ts'

function read(text: string | Uint8Array): unknown {
  const bytes = typeof text === 'string' ? Buffer.from(text) : text
  return readDocument('job.yaml', bytes).value
}

function refusalOf(text: string | Uint8Array): string {
  try {
    read(text)
  } catch (error) {
    assert.ok(error instanceof FedsamError && error.code === 'InvalidJob', String((error as Error).stack))
    return error.message
  }
  return 'taken'
}

test('a scalar has the value that kubectl reads', () => {
  const scalars: readonly [string, unknown][] = [
    ...pairs(8, [
      '8',
      '010',
      '0o10',
      '0O10',
      '0x8',
      '0X8',
      '0b1000',
      '+010',
      '08',
      '8.0',
      '8.',
      '0.8e1',
      '0_8',
    ]),
    ...pairs(-8, ['-8', '-010', '-0x8', '-0b1000']),
    ...pairs(1000, ['1_000', '1e3', '1E+03', '1__000']),
    ...pairs(0, ['0', '-0', '00', '-0.0', '1e-400']),
    ...pairs(0.12, ['.12', '+.12', '.1_2', '1.2e-1']),
    ...pairs(true, ['true', 'True', 'TRUE', 'yes', 'Yes', 'YES', 'on', 'On', 'ON', 'y', 'Y', '!!bool yes']),
    ...pairs(false, ['false', 'False', 'FALSE', 'no', 'No', 'NO', 'off', 'Off', 'OFF', 'n', 'N']),
    ...pairs(null, ['', '~', 'null', 'Null', 'NULL', '!!null ~']),
    ...['0o8', '0x', '0b2', '1e400', '._5', '_1', 'yEs', '1:30', '2001-01-01', '1e', '='].map(
      (text): [string, string] => [text, text],
    ),
    ...['0x10000000000000000', '-0x8000000000000001', '+0x8000000000000000', `0b1${'0'.repeat(64)}`].map(
      (text): [string, string] => [text, text],
    ),
    ['!!int 18446744073709551615', 18_446_744_073_709_551_615n],
    ['0xFFFFFFFFFFFFFFFF', 18_446_744_073_709_551_615n],
    ['07777777777777777777777', 7_777_777_777_777_777_777_777n],
    ['"010"', '010'],
    ["'yes'", 'yes'],
    ['!!str 010', '010'],
    ['! 010', '010'],
    ['!own 010', '010'],
    ['!!float 1', 1],
    ['!!int 0o17', 15],
    ['!!binary aGk=', 'hi'],
    ['9007199254740991', 9_007_199_254_740_991],
    ['9007199254740993', 9_007_199_254_740_993n],
    ['+9007199254740993.00', 9_007_199_254_740_993n],
    ['-0x20000000000001', -9_007_199_254_740_993n],
    ['123456789012345678901234567890', 123_456_789_012_345_678_901_234_567_890n],
  ]
  for (const [text, value] of scalars) {
    assert.deepEqual(readValue(text), { value: Object.is(value, -0) ? 0 : value }, text)
    assert.deepEqual(read(`a: ${text}\n`), { a: value }, text)
  }
})

function pairs(value: unknown, texts: readonly string[]): [string, unknown][] {
  return texts.map((text) => [text, value])
}

test('aliases and merge keys copy the named value; the later value in the text wins', () => {
  const base = 'base: &b {x: 1, w: [2]}\n'
  assert.deepEqual(read(`${base}a: {<<: *b, x: 3}\n`), { base: { x: 1, w: [2] }, a: { x: 3, w: [2] } })
  assert.deepEqual(read(`${base}a: {x: 3, <<: *b}\n`), { base: { x: 1, w: [2] }, a: { x: 1, w: [2] } })
  assert.deepEqual(read(`${base}a: {<<: [*b, {x: 5, z: 6}]}\n`), {
    base: { x: 1, w: [2] },
    a: { x: 1, w: [2], z: 6 },
  })
  assert.deepEqual(read('a: &n 1\nb: *n\nc: &n 2\nd: *n\n'), { a: 1, b: 1, c: 2, d: 2 })
  assert.deepEqual(read('a: {"<<": 1}\n'), { a: { '<<': 1 } })
  const { a, b } = read('a: &l [1]\nb: *l\n') as { a: unknown; b: unknown }
  assert.notEqual(a, b, 'a change of one must not change the other')
})

test('every key becomes text', () => {
  assert.deepEqual(read('010: a\nyes: b\n"1.5": c\ntoString: d\nconstructor: e\n'), {
    8: 'a',
    true: 'b',
    '1.5': 'c',
    toString: 'd',
    constructor: 'e',
  })
})

test('line ends, a byte order mark, document markers and comments do not change the value', () => {
  const texts = [
    'a: 1',
    '\ufeffa: 1\n',
    'a: 1\r\n',
    '---\na: 1\n---\n',
    '---\n---\na: 1\n---',
    '# c\n--- # c\na: 1\n...\n',
  ]
  for (const text of [...texts, 'a: 1\n---\n~\n', '{"a": 1}', '{\n\t"a": 1\n}'])
    assert.deepEqual(read(text), { a: 1 }, text)
  assert.deepEqual(read('a: |\r\n  x\r\n  y\r\n'), { a: 'x\ny\n' })
})

test('a text that only some YAML readers accept is rejected, with its line and a remedy', () => {
  const refusals: readonly [string, string][] = [
    ['a: 1\nb: 2\na: 3\n', ':3: has the key a twice; remove one of them'],
    ['a: {8: 1, 010: 2}\n', ':1: has the key 8 twice; remove one of them'],
    ['a: 1\n__proto__: 2\n', ':2: has the key __proto__, which is not a field; remove it'],
    ['a:\n  1.5: b\n', ':2: has a key that is not text; put the key in quotes'],
    ['~: b\n', ':1: has a key that is not text; put the key in quotes'],
    ['? [a]\n: b\n', ':1: has a key that is not text; put the key in quotes'],
    ['a: {b:1}\n', ':1: has no space after the colon; write one'],
    ['a: {b:, c: 1}\n', ':1: has no space after the colon; write one'],
    ['a: [?b]\n', ':1: begins with ?; put it in quotes'],
    ['a: .inf\n', ':1: is .inf, which JSON does not have; write a number, or put it in quotes'],
    ['a: !!int x\n', ':1: is "x" with the tag !!int, which does not fit; remove the tag'],
    ['a: !!int 1.0\n', ':1: is "1.0" with the tag !!int, which does not fit; remove the tag'],
    ['a: !!timestamp 2001-01-01\n', ':1: has the tag !!timestamp; remove the tag, a time is text'],
    ['a: !!binary x\n', ':1: has the tag !!binary and is not Base64; correct it'],
    ['a: !!binary /w==\n', ':1: has the tag !!binary and is not text; write text'],
    ['a: "\\ud800"\n', ':1: has half of a surrogate pair; write the whole character'],
    ['a: *b\n', ':1: has the alias *b and no anchor &b before it; correct the name'],
    ['a: &b [*b]\n', ':1: has the alias *b within its own anchor; remove one of them'],
    ['a: &b {<<: *b}\n', ':1: has the alias *b within its own anchor; remove one of them'],
    ['a: {<<: 1}\n', ':1: has a key << without an object to merge; write << with an alias of one'],
    ['%YAML 1.2\n---\na: 1\n', ':1: begins with %, a directive; remove the line'],
    ['a: 1\n--- {b: 2}\n', ':2: has more than --- on the line; begin the document on the next line'],
    ['a: b\rc: d\n', ':1: has the character U+000D; remove it, or write \\u000D within double quotes'],
    ['a: b\u2028c\n', ':1: has the character U+2028; remove it, or write \\u2028 within double quotes'],
    ['x: 1\na: b\0\n', ':2: has the character U+0000; remove it, or write \\u0000 within double quotes'],
    ...[
      'a:\n\tb: 1\n',
      'a:\n  -\t1\n',
      'a: "b"\n  \t\n',
      'a: b\n\t\n',
      'a: b\n\tc\n',
      'a: b\n\t# c\n',
      'a:\n- b\n\t\n',
      'a: [\n b\n\t]\n',
    ].map((text): [string, string] => [
      text,
      `:${text.slice(0, text.indexOf('\t')).split('\n').length}: has a tab where a key or an item may begin; write spaces`,
    ]),
    ['a: [b?]\n', ':1: has a ? within [ ] or { }; put the text in quotes'],
    ['a: {b: c ?}\n', ':1: has a ? within [ ] or { }; put the text in quotes'],
    ['a\n  : b\n', ':2: has a colon on another line than its key; write both on one line'],
    ...['a: {"b\n  c": 1}\n', 'a: {b\n  : 1}\n', `a: {${'b'.repeat(1025)}: 1}\n`].map(
      (text): [string, string] => [
        text,
        ':1: has a key of several lines or more than 1024 characters; write a short key on one line',
      ],
    ),
    ...['18446744073709551616', '+0x8000000000000000'].map((text): [string, string] => [
      `a: !!int ${text}\n`,
      `:1: is "${text}" with the tag !!int, which does not fit; remove the tag`,
    ]),
    ['a: 1\n---\nb: 2\n', ':3: holds 2 documents; put each job into a file of its own'],
    ['a: 1\n...\nb: 2\n', ':3: holds 2 documents; put each job into a file of its own'],
    ['---\n- a\n', ':2: is not an object; write a job: apiVersion, kind, metadata and spec'],
    [`${'['.repeat(300)}\n`, ':1: is nested too deeply; write at most 200 levels'],
    [`a:\n${nestedBlocks(250)}`, ':200: is nested too deeply; write at most 200 levels'],
  ]
  for (const [text, says] of refusals) assert.equal(refusalOf(text), `job.yaml${says}`, JSON.stringify(text))
})

function nestedBlocks(levels: number): string {
  return Array.from({ length: levels }, (_, level) => `${' '.repeat(level + 1)}a:\n`).join('')
}

test('tabs, question marks and long keys are accepted where kubectl accepts them', () => {
  const texts: readonly [string, unknown][] = [
    ['a:\tb\t# c\n', { a: 'b' }],
    ['a:\n  b: c\n    \t\nd: 1\n', { a: { b: 'c' }, d: 1 }],
    ['a: [\n \t"b"\n ]\n', { a: ['b'] }],
    ['a: b\n \t# c\n', { a: 'b' }],
    ['a: |\n  b\n  \tc\n', { a: 'b\n\tc\n' }],
    ['a: b?\nc: "d?"\ne: ["f?"]\n', { a: 'b?', c: 'd?', e: ['f?'] }],
    ['? a\n: b\n', { a: 'b' }],
    ['x:\n  ? a\n  : - b\n', { x: { a: ['b'] } }],
    [`a: {${'b'.repeat(1024)}: 1}\n`, { a: { ['b'.repeat(1024)]: 1 } }],
  ]
  for (const [text, value] of texts) assert.deepEqual(read(text), value, JSON.stringify(text))
})

test('aliases that turn a small file into a large value are rejected before they are resolved', () => {
  const bomb = (levels: number): string =>
    ['l0: &l0 [1]']
      .concat(
        Array.from({ length: levels }, (_, i) => `l${i + 1}: &l${i + 1} [${`*l${i}, `.repeat(9)}*l${i}]`),
      )
      .join('\n')
  assert.equal(Object.keys(read(bomb(3)) as object).length, 4)
  const says = 'job.yaml:1: holds more than 100000 values after its aliases are resolved; use fewer aliases'
  assert.equal(refusalOf(bomb(30)), says)
  assert.equal(refusalOf(bomb(30).replaceAll(/\[\*l0.*/g, '{<<: [*l0]}')), says)
})

test('bytes that are not UTF-8, and more bytes than a cluster stores, are rejected', () => {
  const says = 'job.yaml: is not text in UTF-8; save it in UTF-8'
  assert.equal(refusalOf(Uint8Array.of(0x61, 0x3a, 0x20, 0xff)), says)
  assert.equal(refusalOf(Buffer.from('\ufeffa: 1\n', 'utf16le')), says)
  assert.equal(
    refusalOf(new Uint8Array(MOST_BYTES + 1)),
    'job.yaml: is larger than 1.5 MiB, the most that a cluster stores; make it smaller',
  )
})

test('a field has the line where its value is written, through aliases and merge keys too', () => {
  const text = 'base: &b\n  x: 1\n  w:\n    - 2\n    - 3\na:\n  <<: *b\n  z: 1\nc: *b\n010: 1\n'
  const { locate } = readDocument('job.yaml', Buffer.from(text))
  assert.equal(locate(['a', 'z']), 8)
  assert.equal(locate(['a', 'w', 1]), 5)
  assert.equal(locate(['c', 'x']), 2)
  assert.equal(locate(['a', 'absent']), 6)
  assert.equal(locate(['8']), 10)
})
