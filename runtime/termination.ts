// The last word of a program: why it ended. In a pod as JSON where the kubelet reads it, so that the operator can quote it. An error
// that nobody foresaw becomes one line and a file with its details. Reaches nothing but those files, and never throws.
import { existsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { TERMINATION } from '#protocol/environment.ts'

export interface LastWord {
  readonly code: string
  readonly message: string
  readonly remedy: string
}

const DEFAULT_FILE = '/dev/termination-log'
/** The kubelet keeps so many bytes. */
const MOST_BYTES = 4096

/** Writes to the file that `terminationLog` names, else to the kubelet's own where it exists. */
export function leaveLastWord(env: Readonly<Record<string, string | undefined>>, word: LastWord): void {
  const named = env[TERMINATION.terminationLog.name]
  const file = named || (existsSync(DEFAULT_FILE) ? DEFAULT_FILE : undefined)
  if (file === undefined) return
  try {
    writeFileSync(file, shorten(word))
  } catch {
    // Nobody will read it.
  }
}

/** As JSON; a message that is too long loses its end. */
function shorten({ code, message, remedy }: LastWord): string {
  for (let length = Math.min(message.length, MOST_BYTES); ; length = Math.floor(length * 0.9)) {
    const text = JSON.stringify({ code, message: message.slice(0, length), remedy: remedy.slice(0, 500) })
    if (Buffer.byteLength(text) <= MOST_BYTES || length === 0) return text
  }
}

/** Letters of an unexpected error's own message that are repeated. */
const LONGEST_MESSAGE = 300

/**
 * What a program says of an error that nobody foresaw: its first line, and the file that has the rest. The details may hold
 * anything that the program held, so only the user may read the file.
 */
export function unexpectedWord(error: unknown, folder: string = tmpdir()): LastWord {
  const [line = ''] = String(error).split('\n')
  const message = `unexpected error: ${line.slice(0, LONGEST_MESSAGE)}`
  const file = join(folder, `fedsam-error-${process.pid}-${crypto.randomUUID().slice(0, 8)}.log`)
  const details = `${process.title} on Node ${process.versions.node}, ${process.platform} ${process.arch}\n${inspect(error, { depth: 5 })}\n`
  try {
    writeFileSync(file, details, { mode: 0o600, flag: 'wx' })
  } catch {
    const remedy = `this is a defect of FedSAM, please report it; its details could not be written to ${folder}`
    return { code: 'Unexpected', message, remedy }
  }
  return {
    code: 'Unexpected',
    message,
    remedy: `this is a defect of FedSAM, please report it with its details: ${file}`,
  }
}
