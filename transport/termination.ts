// The last word of a program in a pod: why it ended, as JSON where the kubelet reads it, so that the operator can quote it.
// Reaches nothing but that file, and never throws: a program that ends in error has enough to say already.
import { existsSync, writeFileSync } from 'node:fs'

export interface LastWord {
  readonly code: string
  readonly message: string
  readonly remedy: string
}

const DEFAULT_FILE = '/dev/termination-log'
/** The kubelet keeps so many bytes. */
const MOST_BYTES = 4096

/** Writes to the file that FEDSAM_TERMINATION_LOG names, else to the kubelet's own where that is there. */
export function leaveLastWord(env: Readonly<Record<string, string | undefined>>, word: LastWord): void {
  const named = env.FEDSAM_TERMINATION_LOG
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
