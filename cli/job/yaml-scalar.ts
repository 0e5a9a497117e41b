// Reads YAML scalars as kubectl does. kubectl uses go.yaml.in/yaml/v2, which mixes rules of YAML 1.1 and 1.2: yes is true, 010,
// 0o10 and 08 are 8, 1_000 is 1000. The rules come from resolve.go in that module. An integer that a double cannot hold becomes
// a bigint, so that a message can show every digit.

/** The value of a scalar. */
export type ScalarValue = string | number | bigint | boolean | null

/** A scalar that kubectl cannot read. `message` describes the problem and, after a semicolon, names the remedy. */
export class ScalarError extends Error {
  override readonly name = 'ScalarError'
}

const CORE_TAG = 'tag:yaml.org,2002:'

const WORDS: ReadonlyMap<string, boolean | number | null> = new Map<string, boolean | number | null>([
  ...wordsFor(true, ['y', 'Y', 'yes', 'Yes', 'YES', 'true', 'True', 'TRUE', 'on', 'On', 'ON']),
  ...wordsFor(false, ['n', 'N', 'no', 'No', 'NO', 'false', 'False', 'FALSE', 'off', 'Off', 'OFF']),
  ...wordsFor(null, ['', '~', 'null', 'Null', 'NULL']),
  ...wordsFor(Number.NaN, ['.nan', '.NaN', '.NAN']),
  ...wordsFor(Number.POSITIVE_INFINITY, ['.inf', '.Inf', '.INF', '+.inf', '+.Inf', '+.INF']),
  ...wordsFor(Number.NEGATIVE_INFINITY, ['-.inf', '-.Inf', '-.INF']),
])

function wordsFor<T>(value: T, words: readonly string[]): (readonly [string, T])[] {
  return words.map((word) => [word, value] as const)
}

/** The value of a scalar without quotes or tag. Throws ScalarError for text that only some readers accept. */
export function plainScalar(text: string): ScalarValue {
  const word = WORDS.get(text)
  if (typeof word === 'number') {
    throw new ScalarError(`is ${text}, which JSON does not have; write a number, or put it in quotes`)
  }
  return word !== undefined ? word : (numberOf(text) ?? text)
}

/** The value of a scalar with a tag, `tag:yaml.org,2002:int` or `!local`. Throws ScalarError if the text does not fit. */
export function taggedScalar(tag: string, text: string): ScalarValue {
  const kind = tag.startsWith(CORE_TAG) ? tag.slice(CORE_TAG.length) : ''
  if (kind === 'binary') return decodedBase64(text)
  if (kind === 'timestamp') throw new ScalarError('has the tag !!timestamp; remove the tag, a time is text')
  if (!CHECKED_TAGS.has(kind)) return text
  const value = plainScalar(text)
  if (fits(kind, value, text)) return value
  throw new ScalarError(
    `is ${JSON.stringify(text)} with the tag !!${kind}, which does not fit; remove the tag`,
  )
}

/** Tags that check a value. With any other tag, the value is text. */
const CHECKED_TAGS: ReadonlySet<string> = new Set(['bool', 'float', 'int', 'null'])

function fits(kind: string, value: ScalarValue, text: string): boolean {
  if (kind === 'null') return value === null
  if (kind === 'bool') return typeof value === 'boolean'
  if (typeof value !== 'number' && typeof value !== 'bigint') return false
  return kind === 'float' || (isInteger(text) && isGoInteger(value, text))
}

const FLOAT = /^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/
const INTEGER = /^([-+]?)(?:0[bB]([01]+)|0[xX]([0-9a-fA-F]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))$/

/** Whether a text is an integer in one of its notations: 8, 010, 0x8, 1_000; not 8.0, and not 08. */
export function isInteger(text: string): boolean {
  return INTEGER.test(text.replaceAll('_', ''))
}

/** The number in a text; undefined for a text that is not a number. */
function numberOf(text: string): number | bigint | undefined {
  if (!/^[-+.0-9]/.test(text)) return undefined
  // After a leading point an underscore counts between two digits only: ._5 is text.
  const digits = text.startsWith('.') ? text.replaceAll(/(?<=\d)_(?=\d)/g, '') : text.replaceAll('_', '')
  const integer = INTEGER.exec(digits)
  if (integer) {
    const value = integerOf(integer)
    if (isGoInteger(value, digits)) return value
  }
  if (!FLOAT.test(digits)) return undefined
  const value = Number(digits)
  const whole = /^\+?(-?[0-9]+)(?:\.0*)?$/.exec(digits)?.[1]
  if (whole !== undefined && !Number.isSafeInteger(value)) return BigInt(whole)
  // Go rejects a number that a double cannot hold, so it stays a string.
  return Number.isFinite(value) ? value + 0 : undefined
}

/** Whether Go has an integer of this value: 64 bits, signed or unsigned. Larger decimals become floats, the others stay text. */
function isGoInteger(value: number | bigint, text: string): boolean {
  return value >= -(2n ** 63n) && value < (text.startsWith('+') ? 2n ** 63n : 2n ** 64n)
}

function integerOf([, sign, binary, hexadecimal, octal, decimal]: RegExpExecArray): number | bigint {
  const [prefix, digits] =
    binary !== undefined
      ? ['0b', binary]
      : hexadecimal !== undefined
        ? ['0x', hexadecimal]
        : octal !== undefined
          ? ['0o', octal]
          : ['', decimal!]
  const size = BigInt(prefix + digits)
  const value = sign === '-' ? -size : size
  return Number.isSafeInteger(Number(value)) ? Number(value) : value
}

/** kubectl decodes !!binary to text. Throws ScalarError for text that is not Base64, or bytes that are not UTF-8. */
function decodedBase64(text: string): string {
  const letters = text.replaceAll(/[\r\n]/g, '')
  const bytes = Buffer.from(letters, 'base64')
  if (bytes.toString('base64') !== letters) {
    throw new ScalarError('has the tag !!binary and is not Base64; correct it')
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    throw new ScalarError('has the tag !!binary and is not text; write text', { cause })
  }
}
