// Generated YAML, for tests that compare its readers: scalars of every notation, all styles of objects and lists, anchors,
// aliases, merge keys, tags, comments, block text, ends of lines and of documents. Some texts are not valid YAML.
import fc from 'fast-check'

/** Scalars that readers of YAML take for different values. */
const VALUES = (
  '0 00 010 -010 +010 08 09.5 0o10 0O17 0o8 0x1F -0x1f 0X 0b101 -0b11 0b2 1_000 0_8 _1 1_ 1__0 ._5 .5 -.5 +.5 5. 1e3 1E+03 ' +
  '1e 1.5e-3 .5e3 .e3 1e400 1e-400 0e0 1e21 -0 -0.0 +1 12e03 1:30 190:20:30 0x1p-2 1.50 0x_1 +0x1 --1 +-1 1e+ 1.2.3 0.1 1e5 ' +
  '9007199254740991 -9007199254740991 2001-01-01 2001-12-14t21:59:43.10-05:00 ~ null Null NULL nULL yes Yes YES yEs no No NO ' +
  'on On ON off Off OFF y Y n N true True TRUE tRUE false False FALSE << = toString constructor é ☃ 😀 a#b a:b -a ?a :a a\\b'
).split(' ')
/** Scalars that no JSON holds, or that a reader must refuse. */
const ODD = [
  ...['9007199254740993', '18446744073709551615', '123456789012345678901234567890'],
  ...['0xFFFFFFFFFFFFFFFF', '+0xFFFFFFFFFFFFFFFF', '-0x8000000000000001', '07777777777777777777777'],
  ...['.inf', '-.INF', '.nan', '__proto__'],
]
/** Scalars that YAML gives a meaning, or that are not scalars. */
const SYNTAX = [...'.-!&*?:,#@"\'[]{}%|>`\t ', '!!', 'a: b', 'a #b', '- a', '? a', 'a b', 'a\tb', '1,000']

const oneOf = <T>(...choices: readonly [number, fc.Arbitrary<T>][]): fc.Arbitrary<T> =>
  fc.oneof({ depthSize: 'small' }, ...choices.map(([weight, arbitrary]) => ({ weight, arbitrary })))
const letters = (unit: string): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom(...unit), minLength: 1, maxLength: 6 })

const value = oneOf([40, fc.constantFrom(...VALUES)], [1, fc.constantFrom(...ODD)])
const syntax = oneOf([1, fc.constantFrom(...SYNTAX)], [1, letters('aeyno019.-+_:#,[]{}"\'!&*?|>~ \t\\x')])
const escapes = [
  '"\\x41\\u00e9\\U0001F600"',
  '"a\\\n    b"',
  '"\\e\\0\\_\\N\\L\\P\\t"',
  "'a\n    b'",
  '"a\n\n    b"',
]
const quoted = oneOf(
  [4, oneOf([4, value], [1, syntax]).map((text) => JSON.stringify(text))],
  [4, oneOf([4, value], [1, syntax]).map((text) => `'${text.replaceAll("'", "''")}'`)],
  [1, fc.constantFrom(...escapes)],
)
const scalar = oneOf([30, value], [8, letters('000123789.-+_eExXoOb')], [10, quoted], [1, syntax])

const word = oneOf(
  [12, fc.constantFrom(...'abcdefg')],
  [1, fc.constantFrom('toString', 'yes', '010', '1', '1.5', 'null', '~')],
)
const key = oneOf([9, word], [1, scalar])
const anchor = fc.constantFrom(...'pqr')
const tags = '!!str !!str ! !own !!int !!float !!bool !!null !!binary !!timestamp !!set'
const tag = fc.constantFrom(...tags.split(' '))
/** What a merge key merges. */
const merged = fc.constantFrom('*p', '*p', '*p', '{c: 1, d: 2}', '[*p, {b: 2}]', '[{b: 3}, *p]', '*q', '1')
const note = fc.constantFrom(...Array<string>(14).fill(''), ' # note', ' # note', '# glued')

type Values = {
  /** On one line. */
  readonly flow: string
  /** Over several lines: what follows the key on its line, then the lines below it. */
  readonly block: readonly string[]
}

const { block } = fc.letrec<Values>((tie: fc.LetrecTypedTie<Values>) => ({
  flow: oneOf(
    [8, scalar],
    [1, anchor.map((name) => `*${name} `)],
    [1, fc.tuple(anchor, tie('flow')).map(([name, inner]) => `&${name} ${inner}`)],
    [1, fc.tuple(tag, scalar).map(([name, inner]) => `${name} ${inner}`)],
    [1, fc.array(tie('flow'), { maxLength: 3 }).map((items) => `[${items.join(', ')}]`)],
    [1, flowObject(tie('flow'))],
  ),
  block: oneOf(
    [6, tie('flow').map((text) => [text])],
    [1, blockText()],
    [4, blockObject(tie('block'))],
    [
      1,
      fc.tuple(anchor, tie('block')).map(([name, [first = '', ...rest]]) => [`&${name} ${first}`, ...rest]),
    ],
    [
      2,
      fc.array(tie('block'), { minLength: 1, maxLength: 3 }).map((items) => ['', ...items.flatMap(listItem)]),
    ],
  ),
}))

function flowObject(inner: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const colon = fc.constantFrom(...Array<string>(6).fill(': '), ' : ', ':')
  return fc
    .array(fc.tuple(key, colon, inner), { maxLength: 3 })
    .map((pairs) => `{${pairs.map((pair) => pair.join('')).join(', ')}}`)
}

function blockText(): fc.Arbitrary<string[]> {
  const head = fc.constantFrom('|', '>', '|-', '>-', '|+', '>+', '|2', '>1-', '| # note')
  const line = fc.constantFrom('text', 'text', ' more', '', '# no comment', '---', 'a: b', '\ttab')
  return fc
    .tuple(head, fc.array(line, { minLength: 1, maxLength: 4 }))
    .map(([first, lines]) => [first, ...indented(lines)])
}

function blockObject(inner: fc.Arbitrary<readonly string[]>): fc.Arbitrary<string[]> {
  const mergeKey = merged.map((text): [string, string[]] => ['<<', [text]])
  const pair = oneOf<[string, readonly string[]]>([8, fc.tuple(key, inner)], [1, mergeKey])
  return fc
    .array(fc.tuple(pair, note), { minLength: 1, maxLength: 3 })
    .map((pairs) => ['', ...pairs.flatMap(([[name, lines], comment]) => field(name, lines, comment))])
}

function field(name: string, [first = '', ...rest]: readonly string[], comment = ''): string[] {
  return [`${name}:${first === '' ? '' : ` ${first}`}${comment}`, ...indented(rest)]
}

/** The first line of a nested object or list may follow the hyphen. */
function listItem([first = '', ...rest]: readonly string[]): string[] {
  if (first !== '' || rest[0] === undefined) return [`- ${first}`, ...indented(rest)]
  return [`- ${rest[0]}`, ...indented(rest.slice(1))]
}

function indented(lines: readonly string[]): string[] {
  return lines.map((line) => (line === '' ? line : `  ${line}`))
}

/** The fields of an object, each line indented by two. The first field has the anchors that aliases name. */
const yamlFields: fc.Arbitrary<string> = fc
  .array(fc.tuple(key, block), { minLength: 1, maxLength: 4 })
  .map((fields) => {
    const anchors = 'anchors: [&p {a: 1, b: [x]}, &q 010, &r [1, {c: yes}]]'
    return indented([anchors, ...fields.flatMap(([name, lines]) => field(name, lines))]).join('\n')
  })

const BEFORE = [
  '---\n',
  '--- # note\n',
  '# note\n',
  '\n',
  '\ufeff',
  '%YAML 1.1\n---\n',
  '---\n---\n',
  '--- {}\n',
]
const AFTER = ['', '\n---\n', '\n---', '\n--- \n# end\n', '\n...\n', '\n---\na: 1\n', '\n---\n~\n', '\n\n\n']

/** Texts that change the meaning of a file, or spoil it, where they are put in anywhere. */
const INSERTED = [
  '\t',
  ' \t',
  '\n\t\n',
  '\n   \t\n',
  '\n  \t',
  '?',
  '? ',
  '\n',
  '\n   ',
  ' # c',
  '"',
  ':',
  ': ',
  '[',
  '{',
  '- ',
  ',',
]

/** A file of one object; `head` is its first lines. */
export function yamlFile(head: string): fc.Arbitrary<string> {
  const inserted = fc.tuple(
    oneOf([9, fc.constant('')], [1, fc.constantFrom(...INSERTED)]),
    fc.double({ min: 0, max: 1, noNaN: true }),
  )
  return fc
    .tuple(mostly('', BEFORE), fc.tuple(yamlFields, inserted), mostly('\n', AFTER), mostly('\n', ['\r\n']))
    .map(([before, [fields, [text, where]], after, end]) => {
      const at = Math.floor(where * fields.length)
      const spoiled = `${fields.slice(0, at)}${text}${fields.slice(at)}`
      return `${before}${head}${spoiled}${after}`.replaceAll('\n', end)
    })
}

function mostly(usual: string, others: readonly string[]): fc.Arbitrary<string> {
  return oneOf([3, fc.constant(usual)], [1, fc.constantFrom(...others)])
}
