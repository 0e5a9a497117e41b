// Where a client stores what it did: an update and a receipt in an attempt at a round, or a reply in an exchange. Pure.
import { attemptKeys, exchangeKeys } from '#protocol/keys.ts'
import type { Task } from '#protocol/messages.ts'

export interface TaskKeys {
  payload(upload: string): string
  state(upload: string): string
  /** Of the receipt, or of the reply's marker. */
  readonly marker: string
}

export function taskKeys({ kind, round, attempt }: Task, client: string): TaskKeys {
  if (kind === 'Message') {
    const keys = exchangeKeys(round)
    const place = attempt - 1
    return {
      payload: (upload) => keys.payload(client, place, upload),
      state: (upload) => keys.clientState(client, place, upload),
      marker: keys.reply(client, place),
    }
  }
  const keys = attemptKeys(round, attempt)
  return {
    payload: (upload) => keys.payload(client, upload),
    state: (upload) => keys.clientState(client, upload),
    marker: keys.receipt(client),
  }
}
