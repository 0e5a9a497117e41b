// Subjects and patterns of messages, and the size of a message. Every bus has the rules of NATS.

/** Bytes of one message at most: nats-server's default limit. */
export const LARGEST_MESSAGE = 1024 * 1024

/** Returns the subject where it has no wildcards. Else throws TypeError: the program has a defect. */
export function checkSubject(subject: string): string {
  if (/^[^\s.*>]+(\.[^\s.*>]+)*$/.test(subject)) return subject
  throw new TypeError(`not a subject: ${JSON.stringify(subject.slice(0, 200))}`)
}

/** Returns the pattern ("*" is one token, ">" at the end one or more). Throws TypeError for any other text. */
export function checkPattern(pattern: string): string {
  const tokens = pattern.split('.')
  const fits = tokens.every((token, at) => {
    return token === '*' || (token === '>' && at === tokens.length - 1) || /^[^\s.*>]+$/.test(token)
  })
  if (fits) return pattern
  throw new TypeError(`not a pattern of subjects: ${JSON.stringify(pattern.slice(0, 200))}`)
}

/** Whether the pattern covers the subject. */
export function covers(pattern: string, subject: string): boolean {
  const wanted = pattern.split('.')
  const tokens = subject.split('.')
  const open = wanted.at(-1) === '>'
  if (open ? tokens.length < wanted.length : tokens.length !== wanted.length) return false
  return wanted.every((token, at) => token === '*' || token === '>' || token === tokens[at])
}

/** Returns the body. Throws RangeError where it is too large: larger payloads travel through the store. */
export function checkBody(subject: string, body: Uint8Array): Uint8Array {
  if (body.byteLength <= LARGEST_MESSAGE) return body
  throw new RangeError(`${subject}: a message of ${body.byteLength} bytes is above ${LARGEST_MESSAGE}`)
}
