// What a client says of an error: one message that fits into its receipt or its next request.
// Only the message travels, so it also holds what to do.
import { FedsamError } from '#protocol/errors.ts'

/** Longest message that a client sends, in characters; messages.ts and record.ts allow 2048. */
const LONGEST_MESSAGE = 2000

/** The error's message, followed by its remedy. */
export function messageWithRemedy(error: unknown): string {
  const text = error instanceof FedsamError ? withRemedy(error) : String(error)
  return text.slice(0, LONGEST_MESSAGE)
}

function withRemedy({ message, remedy }: FedsamError): string {
  return remedy === '' ? message : `${message}: ${remedy}`
}
