// A client that keeps to the conversation and sends a false receipt or body: what the worker's own code cannot be made to
// do. It takes one training task, leaves what the lie makes of it, and then only says that it is there.
import { digestPayload, sha256 } from '#protocol/digest.ts'
import { attemptKeys, uploadName } from '#protocol/keys.ts'
import {
  type Granted,
  type Have,
  readGrantAnswer,
  readNextAnswer,
  type Task,
  uidOf,
  type Want,
} from '#protocol/messages.ts'
import { signReceipt } from '#protocol/receipt-signature.ts'
import type { Receipt } from '#protocol/record.ts'
import type { SigningKey } from '#protocol/signatures.ts'
import { newSigningKey } from '#runtime/signing-key.ts'
import type { GrantedTransfers, MessageBus } from '#transport/ports.ts'
import type { Conversation } from '#worker/network/conversation.ts'
import { conversationOf } from '../given/signed.ts'

/** From an honest update (the base itself) to what is left: the stored body and the receipt. */
export type Lie = (honest: { body: Uint8Array; receipt: Receipt }) => { body: Uint8Array; receipt: Receipt }

export interface CrookedOptions {
  readonly client: string
  readonly prefix: string
  readonly bus: MessageBus
  readonly transfers: GrantedTransfers
  readonly lie: Lie
  /** The client's key, unless given a new one. */
  readonly key?: SigningKey
  /** The bytes of a receipt; signed as a client signs unless given. */
  readonly sign?: (receipt: Receipt) => Uint8Array
  readonly signal: AbortSignal
}

/** Runs until the run is over or the signal is aborted. */
export async function serveCrookedly(options: CrookedOptions): Promise<void> {
  const { client, signal } = options
  let have: Have = { state: 'Idle' }
  const key = options.key ?? newSigningKey()
  const conversation = conversationOf(options.bus, options, key)
  while (!signal.aborted) {
    const request: object = {
      kind: 'next',
      client,
      incarnation: 'crooked',
      dataset: '',
      backend: '',
      have,
      progress: null,
    }
    const answer = await conversation.send(request, 30, readNextAnswer)
    if (answer?.kind === 'finished') {
      await conversation.send({ ...request, have: { state: 'Leaving' } }, 30, readNextAnswer)
      return
    }
    if (answer === undefined) await new Promise((resolve) => setTimeout(resolve, 20))
    if (answer?.kind !== 'task') continue
    const { kind, round, attempt, epoch } = answer.task
    if (kind === 'Train') await leave({ ...options, key, conversation }, answer.task)
    have =
      kind === 'Train'
        ? { state: 'Left', round, attempt, epoch }
        : { state: 'Failed', round, attempt, epoch, code: 'TrainerFailed', message: 'I only train' }
  }
}

type Crooked = CrookedOptions & { readonly key: SigningKey; readonly conversation: Conversation }

async function leave(options: Crooked, task: Task): Promise<void> {
  const { client, transfers, lie } = options
  const [read] = await grants(options, [{ kind: 'Read', key: task.base!.key }])
  const base = await transfers.read(grantOf(read))
  const upload = uploadName(1)
  const honest: Receipt = {
    schema: 'fedsam.receipt/1',
    client,
    round: task.round,
    attempt: task.attempt,
    incarnation: 'crooked',
    base: task.base!.sha256,
    update: { upload, ...digestPayload(base), numExamples: 3, metrics: {} },
    evaluation: null,
    notEvaluated: null,
    dataset: '',
  }
  const { body, receipt } = lie({ body: base, receipt: honest })
  const keys = attemptKeys(task.round, task.attempt)
  await write(options, keys.payload(client, upload), body)
  const { key, prefix, sign = (one) => signReceipt(key, uidOf(prefix), one) } = options
  await write(options, keys.receipt(client), sign(receipt))
}

async function write(options: Crooked, key: string, body: Uint8Array): Promise<void> {
  const [granted] = await grants(options, [{ kind: 'Write', key, size: body.length, sha256: sha256(body) }])
  await options.transfers.write(grantOf(granted), body)
}

function grantOf(granted: Granted | undefined) {
  if (granted?.kind === 'Grant') return granted.grant
  throw new Error(`no grant: ${JSON.stringify(granted)}`)
}

async function grants({ client, conversation, signal }: Crooked, wants: Want[]): Promise<Granted[]> {
  while (!signal.aborted) {
    const request = { kind: 'grant', client, incarnation: 'crooked', wants }
    const answer = await conversation.send(request, 30, readGrantAnswer)
    if (answer !== undefined) return answer.granted
  }
  return []
}
