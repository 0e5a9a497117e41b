// Subjects and patterns of messages, and how large one may be: the same rules for every bus, which are those of NATS.

/** nats-server's default limit of one message, in bytes. */
export const LARGEST_MESSAGE = 1024 * 1024

/** Returns a subject without wildcards, or throws TypeError: it is a mistake of the program. */
export function checkSubject(subject: string): string {
  if (/^[^\s.*>]+(\.[^\s.*>]+)*$/.test(subject)) return subject
  throw new TypeError(`not a subject: ${JSON.stringify(subject.slice(0, 200))}`)
}

/** Returns a pattern ("*" is one token, ">" at the end one or more), or throws TypeError. */
export function checkPattern(pattern: string): string {
  const tokens = pattern.split('.')
  const fits = tokens.every((token, at) => {
    return token === '*' || (token === '>' && at === tokens.length - 1) || /^[^\s.*>]+$/.test(token)
  })
  if (fits) return pattern
  throw new TypeError(`not a pattern of subjects: ${JSON.stringify(pattern.slice(0, 200))}`)
}

/** Does the pattern cover the subject? */
export function covers(pattern: string, subject: string): boolean {
  const wanted = pattern.split('.')
  const tokens = subject.split('.')
  const open = wanted.at(-1) === '>'
  if (open ? tokens.length < wanted.length : tokens.length !== wanted.length) return false
  return wanted.every((token, at) => token === '*' || token === '>' || token === tokens[at])
}

/** Returns the body, or throws RangeError: larger ones travel through the store. */
export function checkBody(subject: string, body: Uint8Array): Uint8Array {
  if (body.byteLength <= LARGEST_MESSAGE) return body
  throw new RangeError(`${subject}: a message of ${body.byteLength} bytes is above ${LARGEST_MESSAGE}`)
}
