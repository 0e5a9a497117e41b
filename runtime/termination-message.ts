// A program's last message: why it ended. In a pod it is JSON in the file that the kubelet reads, so that the operator can quote
// it. An unexpected error becomes one line, and a file with its details. This module writes those two files only, and never
// throws.
import { existsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { TERMINATION } from '#protocol/environment.ts'

interface LastWord {
  readonly code: string
  readonly message: string
  readonly remedy: string
}

const DEFAULT_FILE = '/dev/termination-log'
/** Bytes of the message that the kubelet keeps. */
const MOST_BYTES = 4096

/** Writes to the file that `terminationLog` names; without it, to the kubelet's default file where that exists. */
export function leaveLastWord(env: Readonly<Record<string, string | undefined>>, word: LastWord): void {
  const named = env[TERMINATION.terminationLog.name]
  const file = named || (existsSync(DEFAULT_FILE) ? DEFAULT_FILE : undefined)
  if (file === undefined) return
  try {
    writeFileSync(file, shorten(word))
  } catch {
    // The program is ending for another reason, which its exit code still reports.
  }
}

/** The JSON of the message, which loses its end where it is too long. */
function shorten({ code, message, remedy }: LastWord): string {
  for (let length = Math.min(message.length, MOST_BYTES); ; length = Math.floor(length * 0.9)) {
    const text = JSON.stringify({ code, message: message.slice(0, length), remedy: remedy.slice(0, 500) })
    if (Buffer.byteLength(text) <= MOST_BYTES || length === 0) return text
  }
}

/** Characters of an unexpected error's message that the line repeats. */
const LONGEST_MESSAGE = 300

/**
 * The report of an unexpected error: its first line, and the name of a file with the rest. The details may contain anything that
 * the program held in memory, so only its user may read the file.
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
