// Which states of clients count: whether a receipt goes on from its client's last state, what a decision says of the accepted ones, and
// the map of all states that follows. Pure: from the receipts and the map before, so that every coordinator and `fedsam verify` agree.
import {
  continuedState,
  type DecidedState,
  type KeptState,
  type ReceiptState,
  type StateChange,
  type StateRule,
} from '#protocol/client-state.ts'
import type { RejectionReason } from '#protocol/outcomes.ts'
import type { Receipt } from '#protocol/record.ts'

/** The last states that count, and the job's rule. */
export interface StatesBefore {
  readonly rule: StateRule
  readonly last: readonly KeptState[]
}

/** What a client's marker says of its state: a receipt, or a reply to a message. */
export interface Stated {
  readonly client: string
  readonly dataset: string
  readonly state?: ReceiptState | null | undefined
  readonly stateBase?: string | null | undefined
}

/** A receipt with the SHA-256 of its bytes. */
interface Received {
  readonly value: Receipt
  readonly digest: string
}

export interface WrongState {
  readonly kind: 'Rejected'
  readonly reason: RejectionReason
  readonly message: string
}

/** The client's last state that counts; null: it has none. */
export function lastState({ last }: Pick<StatesBefore, 'last'>, client: string): KeptState | null {
  return last.find((one) => one.client === client) ?? null
}

/** Why a receipt's state cannot count; undefined where it can. Its bytes are not read here. */
export function wrongState(before: StatesBefore, receipt: Stated): WrongState | undefined {
  const { state, stateBase } = receipt
  const last = lastState(before, receipt.client)
  if (state === undefined || stateBase === undefined) {
    if (last === null && state === undefined && stateBase === undefined) return undefined
    return rejected(
      'WrongState',
      `the receipt names no state, and the client's last one is ${last?.sha256 ?? 'none'}; upgrade the client's FedSAM`,
    )
  }
  const expected = continuedState(last, receipt.dataset)?.sha256 ?? null
  const isLost = before.rule.place === 'Local' && stateBase === null
  if (stateBase !== expected && !isLost)
    return rejected('WrongState', `went on from the state ${stateBase}; the client's last one is ${expected}`)
  return state === null ? wrongAbsence(stateBase) : wrongForm(before.rule, state, stateBase)
}

function wrongAbsence(stateBase: string | null): WrongState | undefined {
  return stateBase === null
    ? undefined
    : rejected('BadReceipt', 'it names a state before the work, and none after it')
}

function wrongForm(
  { place, maxBytes }: StateRule,
  { sha256, size, upload }: NonNullable<Receipt['state']>,
  stateBase: string | null,
): WrongState | undefined {
  if (size > maxBytes)
    return rejected(
      'StateTooLarge',
      `its state has ${size} bytes; strategy.clientStateBytes allows ${maxBytes}`,
    )
  const travels = place === 'Record' && sha256 !== stateBase
  if (travels === (upload !== null)) return undefined
  return rejected(
    'BadReceipt',
    travels ? 'it names no upload of its state' : 'it names an upload of a state that need not travel',
  )
}

function rejected(reason: RejectionReason, message: string): WrongState {
  return { kind: 'Rejected', reason, message }
}

/** Why a client with a last state started afresh; undefined where it went on, or had none. */
export function stateChange(last: KeptState | null, receipt: Stated): StateChange | undefined {
  if (last === null) return undefined
  if (continuedState(last, receipt.dataset) === null) return 'StateReset'
  return receipt.stateBase === null ? 'StateLost' : undefined
}

/** What the decision says of the states in the receipts that count, by client name. */
export function decidedStates(before: StatesBefore, receipts: readonly Received[]): DecidedState[] {
  return receipts
    .flatMap(({ value, digest: receipt }): DecidedState[] => {
      const { client, attempt, state = null } = value
      const last = lastState(before, client)
      if (state === null && last === null) return []
      const change = stateChange(last, value)
      const named = { client, attempt, receipt, sha256: state?.sha256 ?? null }
      return [change === undefined ? named : { ...named, change }]
    })
    .sort((a, b) => (a.client < b.client ? -1 : 1))
}

/**
 * The map after these receipts or replies: the states of other clients stay, also of clients that left the job. `keyOf`: where the bytes
 * of a new state are; null where none travelled.
 */
export function nextStates<T extends Stated>(
  last: readonly KeptState[],
  receipts: readonly T[],
  keyOf: (receipt: T) => string | null,
): KeptState[] {
  const next = new Map(last.map((one) => [one.client, one]))
  for (const receipt of receipts) {
    const { client, dataset, state = null } = receipt
    const before = next.get(client)
    if (state == null) next.delete(client)
    else if (state.upload !== null || before?.sha256 !== state.sha256 || before.dataset !== dataset) {
      const { sha256, size, blocks } = state
      next.set(client, { client, sha256, size, dataset, key: keyOf(receipt), blocks })
    }
  }
  return [...next.values()].sort((a, b) => (a.client < b.client ? -1 : 1))
}

/** A reply with the SHA-256 of its marker. */
interface StatedReply {
  readonly value: Stated
  readonly digest: string
}

/** As decidedStates, of the replies that count in an exchange, by the place of their message: of each client the state of its last one. */
export function statesOfReplies(
  before: StatesBefore,
  received: ReadonlyMap<number, StatedReply>,
): DecidedState[] {
  const inOrder = [...received].sort(([a], [b]) => a - b)
  return [...Map.groupBy(inOrder, ([, { value }]) => value.client)]
    .flatMap(([client, replies]): DecidedState[] => {
      const last = lastState(before, client)
      const [[, first], [place, newest]] = [replies[0]!, replies.at(-1)!]
      const { state = null } = newest.value
      if (state === null && last === null) return []
      // What a later reply goes on from is the state of the first.
      const change = stateChange(last, first.value)
      const named = { client, attempt: place + 1, receipt: newest.digest, sha256: state?.sha256 ?? null }
      return [change === undefined ? named : { ...named, change }]
    })
    .sort((a, b) => (a.client < b.client ? -1 : 1))
}
