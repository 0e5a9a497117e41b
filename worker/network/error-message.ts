// The text of an error as a client sends it in a receipt or a request: message and remedy in one, within the length of a field.
import { FedsamError } from '#protocol/errors.ts'

/** Longest message that a client sends, in characters; protocol/messages.ts and protocol/record.ts allow 2048. */
const LONGEST_MESSAGE = 2000

/** The error's message, followed by its remedy. */
export function messageWithRemedy(error: unknown): string {
  const text = error instanceof FedsamError ? withRemedy(error) : String(error)
  return text.slice(0, LONGEST_MESSAGE)
}

function withRemedy({ message, remedy }: FedsamError): string {
  return remedy === '' ? message : `${message}: ${remedy}`
}
