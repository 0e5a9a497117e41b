// What an authenticator gets and answers. Each kind of credentials is one authenticator in the list of gate/main.ts: it recognises its
// own users by their names, and decides about them alone.
import type { Permissions, RunPlace } from '#protocol/permissions.ts'

/** A connection that asks to be admitted, as nats-server describes it. All texts are the stranger's own. */
export interface Asking {
  readonly user: string
  readonly password: string
  /** TCP, or NATS over WebSocket. */
  readonly type: 'STANDARD' | 'WEBSOCKET'
  /** A signature of the server's nonce by this nkey, for authenticators of keys; empty where the client has none. */
  readonly nkey: string
  readonly signature: string
  readonly nonce: string
}

/** Why a connection is refused. One word for each cause: metrics count them, and `fedsam doctor` explains them. */
export const REFUSALS = {
  BadRequest: 'the NATS server sent a request that the gate cannot read',
  UnknownUser: 'the user name is neither that of a member of a run nor that of sites',
  UnknownJob: 'no FederatedJob has this uid: it was deleted, or the gate does not watch its namespace',
  UnknownClient: 'the job has no partition with this name',
  NoToken: 'the connection has no token',
  BadToken: 'the token is not a valid token of this cluster',
  TokenExpired: 'the token has expired',
  OtherAudience: 'the token is for another run or another member of the run',
  OtherAccount: 'the token is of another service account or namespace than the pod of this member has',
  OtherConnection: 'pods may connect by TCP only, and sites over WebSocket only',
  BadKey: 'the site shows no public key of a NATS user (U...)',
  UnknownKey: 'no FederatedJob names the key of this site in a partition, or a job names it twice',
  BadSignature: "the signature is not one of the site's key over the nonce of this connection",
  BadJobList: 'the list of jobs of the site is malformed, or too long',
  TooManyConnections: 'the key of this site opened too many connections within a minute',
  KeysUnreachable: "the API server did not return the keys that sign the cluster's tokens",
} as const

export type Refusal = keyof typeof REFUSALS

/** Which member a refusal concerns, where the job exists; or which site, where a job names its key. */
export type Concerned =
  | {
      readonly run: RunPlace & { readonly job: string }
      /** `<uid>/coordinator` or `<uid>/client/<name>`. */
      readonly member: string
    }
  | { /** The public key. */ readonly site: string }

export interface Admitted {
  readonly kind: 'Admitted'
  /** The connection's name in the server's logs. */
  readonly name: string
  readonly permissions: Permissions
  /** Seconds from now until the server ends the connection. */
  readonly seconds: number
  readonly connections: readonly Asking['type'][]
}

export interface Refused {
  readonly kind: 'Refused'
  readonly reason: Refusal
  /** What exactly is wrong, for the log. */
  readonly detail?: string
  readonly concerned?: Concerned
}

/** Decides about its own users; undefined: the user is not one of them. */
export type Authenticator = (asking: Asking) => Promise<Admitted | Refused | undefined>
