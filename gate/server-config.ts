// The configuration of a nats-server of FedSAM's own: one whose connections the gate admits, or one with a fixed list of users. No
// monitoring port: it would show everybody the subjects of all runs. Pure.
import type { Permissions } from '#protocol/permissions.ts'
import { MOST_SITE_JOBS } from '#protocol/sites.ts'

/** The account of all members of runs. The gate's answers name it. */
export const MEMBERS_ACCOUNT = 'FEDSAM'
/** The account of the gate. Its user may read requests and answer them, and nothing else. */
const GATE_ACCOUNT = 'GATE'
/** Where nats-server asks who may connect. */
export const CALLOUT_SUBJECT = '$SYS.REQ.USER.AUTH'
/**
 * Seconds that a connection waits for the gate. A client waits 10 s for its connection, so it reads the refusal. A gate that ends
 * takes its open requests with it, and those wait as long as this. After a restart of the server everybody connects at once: on a busy
 * node the gate took 4 s for that, and clients whose time was over before came again and again.
 */
const CALLOUT_SECONDS = 8
/** Connections of the whole server, those included that are not admitted yet; and of the members. */
const MOST_CONNECTIONS = 5000
const MOST_MEMBERS = 4000
/** Subscriptions of one connection. A pod has one, a site one for each job and one more; a change of them doubles them for a moment. */
const MOST_SUBSCRIPTIONS = 2 * (MOST_SITE_JOBS + 1)

/** The port for sites. */
export interface WebsocketListener {
  readonly port: number
  /** False where an edge in front of it ends TLS; nothing else may reach the port then. True needs `tlsFolder`. */
  readonly tls: boolean
}

export interface CalloutServer {
  /** The public nkey that signs the gate's answers. */
  readonly issuer: string
  /** The public nkey with which the gate connects. */
  readonly gateUser: string
  readonly port?: number
  readonly websocket?: WebsocketListener
  /** A folder with tls.crt and tls.key; absent: no TLS. */
  readonly tlsFolder?: string
}

/**
 * Of a server that asks the gate about every connection but the gate's own. The gate's answer says for each user by which of the two
 * ports it may come. Throws RangeError for a WebSocket with TLS and no certificate.
 */
export function calloutConfig({ issuer, gateUser, port, websocket, tlsFolder }: CalloutServer): string {
  if (websocket?.tls && tlsFolder === undefined)
    throw new RangeError('a WebSocket with TLS needs the folder with tls.crt and tls.key')
  const tls = `tls { cert_file: "${tlsFolder}/tls.crt", key_file: "${tlsFolder}/tls.key" }`
  // Most of what travels is signatures and granted URLs: compressing them would cost processor and save nothing.
  const listener = `websocket { port: ${websocket?.port}, compression: false, ${websocket?.tls ? tls : 'no_tls: true'} }\n`
  return `${port === undefined ? '' : `port: ${port}\n`}${tlsFolder === undefined ? '' : `${tls}\n`}${websocket ? listener : ''}\
max_connections: ${MOST_CONNECTIONS}
# The server keeps what it knew of ended connections, 10,000 by default: names of strangers would fill 30 MB.
max_closed_clients: 10
accounts {
  ${GATE_ACCOUNT} { users: [ { nkey: ${gateUser}, permissions: {
    publish: { deny: ">" }, subscribe: { allow: ["${CALLOUT_SUBJECT}"] }, allow_responses: { max: 1, expires: "10s" }
  } } ] }
  ${MEMBERS_ACCOUNT} { limits { max_connections: ${MOST_MEMBERS}, max_subscriptions: ${MOST_SUBSCRIPTIONS} } }
  # An account without users: nobody can ask the server about its connections.
  SYS { }
}
system_account: SYS
authorization {
  timeout: ${CALLOUT_SECONDS}
  auth_callout { issuer: ${issuer}, account: ${GATE_ACCOUNT}, auth_users: [ ${gateUser} ] }
}
`
}

/** A user of a server without a gate. */
export interface StaticUser {
  readonly user: string
  readonly password: string
  readonly permissions: Permissions
}

/** Of a server that admits these users. */
export function staticConfig(users: readonly StaticUser[]): string {
  const lines = users.map(({ user, password, permissions: { publish, subscribe } }) => {
    const rights = `permissions: { publish: ${JSON.stringify(publish)}, subscribe: ${JSON.stringify(subscribe)} }`
    return `    { user: ${JSON.stringify(user)}, password: ${JSON.stringify(password)}, ${rights} }`
  })
  return `authorization {\n  users: [\n${lines.join('\n')}\n  ]\n}\n`
}
