// A client that keeps to the conversation and sends a false receipt or body: what the worker's own code cannot be made to
// do. It takes one training task, leaves what the lie makes of it, and then only says that it is there.
import { encodeJson } from '#protocol/canonical.ts'
import { digestPayload, sha256 } from '#protocol/digest.ts'
import { attemptKeys, uploadName } from '#protocol/keys.ts'
import {
  clientSubject,
  type Granted,
  type Have,
  readGrantAnswer,
  readNextAnswer,
  type Task,
  type Want,
} from '#protocol/messages.ts'
import type { Receipt } from '#protocol/record.ts'
import { type GrantedTransfers, type MessageBus, NoAnswer } from '#transport/ports.ts'

/** From an honest update (the base itself) to what is left: the stored body and the receipt. */
export type Lie = (honest: { body: Uint8Array; receipt: Receipt }) => { body: Uint8Array; receipt: Receipt }

export interface CrookedOptions {
  readonly client: string
  readonly prefix: string
  readonly bus: MessageBus
  readonly transfers: GrantedTransfers
  readonly lie: Lie
  readonly signal: AbortSignal
}

/** Runs until the run is over or the signal is aborted. */
export async function serveCrookedly(options: CrookedOptions): Promise<void> {
  const { client, signal } = options
  let have: Have = { state: 'Idle' }
  while (!signal.aborted) {
    const request = {
      kind: 'next',
      client,
      incarnation: 'crooked',
      epoch: 0,
      dataset: '',
      backend: '',
      have,
      progress: null,
    }
    const answer = readNextAnswer(await ask(options, request))
    if (answer?.kind === 'finished') {
      await ask(options, { ...request, have: { state: 'Leaving' } })
      return
    }
    if (answer?.kind !== 'task') continue
    const { kind, round, attempt, epoch } = answer.task
    if (kind === 'Train') await leave(options, answer.task)
    have =
      kind === 'Train'
        ? { state: 'Left', round, attempt, epoch }
        : { state: 'Failed', round, attempt, epoch, code: 'TrainerFailed', message: 'I only train' }
  }
}

async function leave(options: CrookedOptions, task: Task): Promise<void> {
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
  await write(options, keys.receipt(client), encodeJson(receipt))
}

async function write(options: CrookedOptions, key: string, body: Uint8Array): Promise<void> {
  const [granted] = await grants(options, [{ kind: 'Write', key, size: body.length, sha256: sha256(body) }])
  await options.transfers.write(grantOf(granted), body)
}

function grantOf(granted: Granted | undefined) {
  if (granted?.kind === 'Grant') return granted.grant
  throw new Error(`no grant: ${JSON.stringify(granted)}`)
}

async function grants(options: CrookedOptions, wants: Want[]): Promise<Granted[]> {
  const { client } = options
  const answer = await ask(options, { kind: 'grant', client, incarnation: 'crooked', wants })
  return readGrantAnswer(answer)!.granted
}

async function ask({ bus, prefix, client, signal }: CrookedOptions, body: object): Promise<Uint8Array> {
  while (!signal.aborted) {
    try {
      return await bus.request(clientSubject(prefix, client), encodeJson(body), { timeoutMs: 30_000 })
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  return new Uint8Array()
}
