// The version of the conversation between a client and its coordinator, which may be of different releases. Programs whose versions are at
// most one apart understand each other; the others refuse, and each side names both versions. ADR 0024 says what a version may change.
import * as v from 'valibot'
import { Count } from './values.ts'

/** The version that this release speaks: one more with each change that a program of the release before cannot ignore. */
export const CONVERSATION = 2

/** The version of messages that name none: the releases before the field. */
const UNSTATED = 1

/** The field of every message. Its name, its place and its type never change. */
export const StatedVersion = v.optional(Count)

/** The version that the sender of a message speaks. */
export function versionOf({ version }: { readonly version?: number | undefined }): number {
  return version ?? UNSTATED
}

/** Both ends of a conversation, by their versions. */
export interface Versions {
  readonly client: number
  readonly coordinator: number
}

/** Whether two programs with these versions understand each other. */
export function areNear({ client, coordinator }: Versions): boolean {
  return Math.abs(client - coordinator) <= 1
}

/** Why they do not, and which of them to upgrade. */
export function versionsApart({ client, coordinator }: Versions): {
  readonly message: string
  readonly remedy: string
} {
  return {
    message: `the client speaks version ${client} of the conversation and the coordinator version ${coordinator}; they may be one version apart`,
    remedy:
      client < coordinator
        ? "upgrade the client's FedSAM"
        : "upgrade the federation's FedSAM, or start the client with an earlier release",
  }
}
