// Every object key of a run's record, built and parsed here alone. Keys are computed, never found by listing.
// N is a round (0 holds the initial parameters), A the attempt at it (from 1), k a coordinator's epoch (from 1).
// All keys are relative to the run's prefix (protocol/names.ts for clusters; the output folder in local runs).

/** Keys of the run as a whole. */
export const RUN_KEY = 'run.json'
export const MANIFEST_KEY = 'output/manifest.json'

export function epochKey(epoch: number): string {
  return `coordinators/${epoch}.json`
}

/** The n-th public key of a client, from 1 (ClientKey of protocol/record.ts). */
export function clientKeyKey(client: string, n: number): string {
  return `clients/${client}/${n}.json`
}

/** The object with which a site's check tries the way to the store (probe.ts). It is no part of the record. */
export function probeKey(client: string): string {
  return `probes/${client}.bin`
}

export function baseKey(digest: string, file: string): string {
  return `base/${digest}/${file}`
}

export function outputKey(file: string): string {
  return `output/${file}`
}

/** The folder of the output with its signatures. */
export const SIGNATURE_FOLDER = 'signatures'

/** Files of the output with the signature of the coordinator of this epoch. */
export function signatureFiles(epoch: number): {
  readonly signature: string
  readonly bundle: string
  readonly publicKey: string
} {
  const name = `${SIGNATURE_FOLDER}/${epoch}`
  return { signature: `${name}.json`, bundle: `${name}.sig`, publicKey: `${name}.pem` }
}

/** What one attempt at a round holds. */
export interface AttemptKeys {
  readonly plan: string
  readonly decision: string
  readonly model: string
  readonly state: string
  /** Every client's receipt and payloads begin with this. */
  readonly updates: string
  receipt(client: string): string
  payload(client: string, upload: string): string
  /** Every client's last state that counts. */
  readonly states: string
  clientState(client: string, upload: string): string
}

export function attemptKeys(round: number, attempt: number): AttemptKeys {
  const prefix = `rounds/${round}/${attempt}`
  return {
    plan: `${prefix}/plan.json`,
    decision: `${prefix}/decision.json`,
    model: `${prefix}/model.safetensors`,
    state: `${prefix}/state.safetensors`,
    updates: `${prefix}/updates/`,
    receipt: (client) => `${prefix}/updates/${client}.json`,
    payload: (client, upload) => `${prefix}/updates/${client}/${upload}.safetensors`,
    states: `${prefix}/states.json`,
    clientState: (client, upload) => `${prefix}/updates/${client}/${upload}.state`,
  }
}

/** The most updates, and the most states, that a client may leave in one attempt: one for each start of its worker. */
export const MAX_UPLOADS = 3

/**
 * The name of a client's payload in an attempt, counted from 1. A worker takes the first name under which nothing is stored yet.
 * The names are computed, so a coordinator can delete a payload that it never received a message about.
 */
export function uploadName(number: number): string {
  return number.toString(16).padStart(16, '0')
}

/** A piece of a payload that comes in pieces, counted from 0. It is gone once the payload is stored. */
export function pieceKey(payload: string, piece: number): string {
  const stem = payload.endsWith(UPDATE_ENDING) ? payload.slice(0, -UPDATE_ENDING.length) : payload
  return `${stem}.${piece}`
}

const UPDATE_ENDING = '.safetensors'

const UPLOAD_NAMES = Array.from({ length: MAX_UPLOADS }, (_, at) => uploadName(at + 1))

/** Every update that a client may have left in an attempt. */
export function payloadKeys(keys: AttemptKeys, client: string): string[] {
  return UPLOAD_NAMES.map((name) => keys.payload(client, name))
}

/** Every state that a client may have left in an attempt. */
export function clientStateKeys(keys: AttemptKeys, client: string): string[] {
  return UPLOAD_NAMES.map((name) => keys.clientState(client, name))
}

/** What one exchange of a Program run holds (exchange.ts), from 1. */
export interface ExchangeKeys {
  readonly ask: string
  readonly decision: string
  /** Every client's last state that counts. By digest: a coordinator that ended before its decision may have left another map. */
  states(sha256: string): string
  /** Every client's replies begin with this. */
  readonly replies: string
  content(sha256: string): string
  reply(client: string, message: number): string
  payload(client: string, message: number, upload: string): string
  clientState(client: string, message: number, upload: string): string
}

export function exchangeKeys(exchange: number): ExchangeKeys {
  const prefix = `exchanges/${exchange}`
  return {
    ask: `${prefix}/ask.json`,
    decision: `${prefix}/decision.json`,
    states: (sha256) => `${prefix}/states/${sha256}.json`,
    replies: `${prefix}/replies/`,
    content: (sha256) => `${prefix}/contents/${sha256}.records`,
    reply: (client, message) => `${prefix}/replies/${client}/${message}.json`,
    payload: (client, message, upload) => `${prefix}/replies/${client}/${message}/${upload}.records`,
    clientState: (client, message, upload) => `${prefix}/replies/${client}/${message}/${upload}.state`,
  }
}

/** The end of a Program run. */
export const PROGRAM_RESULT_KEY = 'program/result.json'

/**
 * The model and the files of a program's result, as the coordinator with this epoch got them: a coordinator before it may have ended between
 * them and the result, and a program may round otherwise where it runs now.
 */
export function programKeys(epoch: number) {
  const prefix = `program/${epoch}`
  return {
    model: `${prefix}/model.safetensors`,
    file: (name: string): string => `${prefix}/files/${name}`,
  }
}

/** Every payload that a client may have left for a message. */
export function replyPayloadKeys(keys: ExchangeKeys, client: string, message: number): string[] {
  return UPLOAD_NAMES.map((name) => keys.payload(client, message, name))
}

/** Every state that a client may have left for a message. */
export function replyStateKeys(keys: ExchangeKeys, client: string, message: number): string[] {
  return UPLOAD_NAMES.map((name) => keys.clientState(client, message, name))
}

export function resultKey(round: number): string {
  return `rounds/${round}/result.json`
}

/** A key taken apart: only the kinds that somebody outside the coordinator may name. */
export type ParsedKey =
  | { readonly kind: 'Run' }
  | { readonly kind: 'Base'; readonly digest: string; readonly file: string }
  | { readonly kind: 'Probe'; readonly client: string }
  | { readonly kind: 'Model'; readonly round: number; readonly attempt: number }
  | { readonly kind: 'Receipt'; readonly round: number; readonly attempt: number; readonly client: string }
  | {
      readonly kind: 'Payload' | 'ClientState'
      readonly round: number
      readonly attempt: number
      readonly client: string
      readonly upload: string
    }
  | {
      /** Of a message to clients: its content, which the program sent. */
      readonly kind: 'Content'
      readonly exchange: number
      readonly sha256: string
    }
  | {
      readonly kind: 'Reply'
      readonly exchange: number
      readonly client: string
      readonly message: number
    }
  | {
      readonly kind: 'ReplyPayload' | 'ReplyState'
      readonly exchange: number
      readonly client: string
      readonly message: number
      readonly upload: string
    }
  | {
      readonly kind: 'Piece'
      readonly round: number
      readonly attempt: number
      readonly client: string
      /** The key of the payload that it is a piece of. */
      readonly payload: string
      readonly piece: number
    }

const NUMBER = '(0|[1-9][0-9]{0,8})'
const CLIENT = '([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)'
const BASE = /^base\/([0-9a-f]{64})\/([A-Za-z0-9._-]{1,128})$/
const PROBE = new RegExp(`^probes/${CLIENT}\\.bin$`)
const MODEL = new RegExp(`^rounds/${NUMBER}/${NUMBER}/model\\.safetensors$`)
const RECEIPT = new RegExp(`^rounds/${NUMBER}/${NUMBER}/updates/${CLIENT}\\.json$`)
const PAYLOAD = new RegExp(
  `^rounds/${NUMBER}/${NUMBER}/updates/${CLIENT}/([0-9a-f]{16,64})\\.(safetensors|state)$`,
)

const PIECE = new RegExp(
  `^(rounds/${NUMBER}/${NUMBER}/updates/${CLIENT}/[0-9a-f]{16,64})(\\.state)?\\.${NUMBER}$`,
)

const CONTENT = new RegExp(`^exchanges/${NUMBER}/contents/([0-9a-f]{64})\\.records$`)
const REPLY = new RegExp(`^exchanges/${NUMBER}/replies/${CLIENT}/${NUMBER}\\.json$`)
const REPLY_PAYLOAD = new RegExp(
  `^exchanges/${NUMBER}/replies/${CLIENT}/${NUMBER}/([0-9a-f]{16,64})\\.(records|state)$`,
)

/** Takes a key apart; undefined for anything that is not one of the kinds above, letter for letter. */
export function parseKey(key: string): ParsedKey | undefined {
  if (key === RUN_KEY) return { kind: 'Run' }
  const base = BASE.exec(key)
  if (base) return { kind: 'Base', digest: base[1]!, file: base[2]! }
  const probe = PROBE.exec(key)
  if (probe) return { kind: 'Probe', client: probe[1]! }
  const model = MODEL.exec(key)
  if (model) return { kind: 'Model', round: Number(model[1]), attempt: Number(model[2]) }
  const receipt = RECEIPT.exec(key)
  if (receipt) {
    return { kind: 'Receipt', round: Number(receipt[1]), attempt: Number(receipt[2]), client: receipt[3]! }
  }
  const payload = PAYLOAD.exec(key)
  if (payload) {
    const [, round, attempt, client, upload, ending] = payload
    return {
      kind: ending === 'state' ? 'ClientState' : 'Payload',
      round: Number(round),
      attempt: Number(attempt),
      client: client!,
      upload: upload!,
    }
  }
  return parseExchangeKey(key) ?? parsePiece(key)
}

function parseExchangeKey(key: string): ParsedKey | undefined {
  const content = CONTENT.exec(key)
  if (content) return { kind: 'Content', exchange: Number(content[1]), sha256: content[2]! }
  const reply = REPLY.exec(key)
  if (reply)
    return { kind: 'Reply', exchange: Number(reply[1]), client: reply[2]!, message: Number(reply[3]) }
  const payload = REPLY_PAYLOAD.exec(key)
  if (!payload) return undefined
  const [, exchange, client, message, upload, ending] = payload
  return {
    kind: ending === 'state' ? 'ReplyState' : 'ReplyPayload',
    exchange: Number(exchange),
    client: client!,
    message: Number(message),
    upload: upload!,
  }
}

function parsePiece(key: string): ParsedKey | undefined {
  const found = PIECE.exec(key)
  if (!found) return undefined
  const [, stem, round, attempt, client, state, piece] = found
  return {
    kind: 'Piece',
    round: Number(round),
    attempt: Number(attempt),
    client: client!,
    payload: `${stem}${state ?? UPDATE_ENDING}`,
    piece: Number(piece),
  }
}
