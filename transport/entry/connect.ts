// Connections of the check: by TCP, by the CONNECT of a proxy, and TLS over either. Guarantees: a password of the proxy goes to the proxy
// and into no text; a connection whose certificate is not trusted is ended before anything is sent.

import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { connect, isIP, type Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { http, https } from '#runtime/http.ts'
import { type Place, StepFailed, textOf } from './step.ts'

/** Throws StepFailed where nobody knows the name. */
export async function checkName({ host }: Place): Promise<string> {
  const found = await lookup(host).catch((error: Error) => {
    throw new StepFailed(
      'NameUnknown',
      `no name server of this machine knows ${host}: ${error.message}`,
      `ask the network's people to resolve ${host}, or for the proxy of this network`,
    )
  })
  return found.address
}

export async function openTcp(place: Place, ms: number): Promise<Socket> {
  const socket = connect(place)
  await once(socket, 'connect', { signal: AbortSignal.timeout(ms) }).catch((error: Error) => {
    socket.destroy()
    throw new StepFailed(
      'NoConnection',
      `no connection to ${textOf(place)}: ${reasonOf(error, ms)}`,
      `ask the network's people to let this machine out to ${textOf(place)} by TCP, or for the proxy of this network`,
    )
  })
  return socket
}

/** A connection to the place by CONNECT. Throws StepFailed. */
export async function openByProxy(place: Place, proxy: string, ms: number): Promise<Socket> {
  const { protocol, host, hostname, port, username, password } = new URL(proxy)
  const secret = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`)
  const authorization = username === '' ? {} : { 'proxy-authorization': `Basic ${secret.toString('base64')}` }
  const client = protocol === 'https:' ? https() : http()
  const asking = client.request({
    ...{ host: hostname.replace(/^\[|\]$/g, ''), port: port || (protocol === 'https:' ? 443 : 80) },
    ...{ method: 'CONNECT', path: textOf(place), agent: false, signal: AbortSignal.timeout(ms) },
    headers: { host: textOf(place), ...authorization },
  })
  asking.end()
  const [answer, socket] = (await once(asking, 'connect').catch((error: Error) => {
    throw new StepFailed(
      'ProxyUnreachable',
      `the proxy ${host} does not answer: ${reasonOf(error, ms)}`,
      'check the address of the proxy',
    )
  })) as [IncomingMessage, Socket]
  if (answer.statusCode === 200) return socket
  socket.destroy()
  throw refusedBy(host, place, answer, username !== '')
}

function refusedBy(proxy: string, place: Place, answer: IncomingMessage, named: boolean): StepFailed {
  if (answer.statusCode !== 407)
    return new StepFailed(
      'ProxyRefuses',
      `the proxy ${proxy} answers CONNECT to ${textOf(place)} with ${answer.statusCode}`,
      `ask the proxy's people to allow CONNECT to ${textOf(place)}`,
    )
  const schemes =
    (answer.headers['proxy-authenticate'] ?? []).toString().match(/(?<=^|,\s*)[A-Za-z]+(?=\s|,|$)/g) ?? []
  if (schemes.some((scheme) => scheme.toLowerCase() === 'basic'))
    return new StepFailed(
      'ProxyCredentials',
      named
        ? `the proxy ${proxy} does not know this user and password`
        : `the proxy ${proxy} asks for a user and a password`,
      'write them into the address of the proxy: http://user:password@host:port',
    )
  return new StepFailed(
    'ProxySchemeUnsupported',
    `the proxy ${proxy} asks for ${schemes.join(' or ') || 'a kind of credentials that it does not name'}; FedSAM speaks Basic alone`,
    `ask the proxy's people to let this machine pass to ${textOf(place)} without credentials, or with Basic; NTLM, Negotiate and Kerberos are not supported`,
  )
}

interface TlsOptions extends Place {
  readonly ca: string | undefined
  readonly ms: number
}

/** TLS over the connection. Throws StepFailed. */
export async function startTls(socket: Socket, { host, port, ca, ms }: TlsOptions): Promise<TLSSocket> {
  // An untrusted certificate is read for its issuer, and its connection ended below.
  const tls = connectTls({
    socket,
    host,
    rejectUnauthorized: false,
    ...(ca === undefined ? {} : { ca }),
    ...(isIP(host) === 0 ? { servername: host } : {}),
  })
  await once(tls, 'secureConnect', { signal: AbortSignal.timeout(ms) }).catch((error: Error) => {
    socket.destroy()
    throw new StepFailed(
      'TlsFailed',
      `no TLS with ${textOf({ host, port })}: ${reasonOf(error, ms)}`,
      `ask the network's people whether a device on the way blocks TLS to ${textOf({ host, port })}`,
    )
  })
  if (tls.authorized) return tls
  const { issuer } = tls.getPeerCertificate()
  tls.destroy()
  const by = JSON.stringify(String(issuer?.CN ?? issuer?.O ?? '').slice(0, 100))
  throw new StepFailed(
    'CertificateUntrusted',
    `the certificate of ${host}, by ${by}, is not trusted: ${String(tls.authorizationError)}`,
    "if that issuer belongs to this network, a device opens TLS: ask its people to leave it closed for this address. Else name the federation's authority in ca",
  )
}

/** An aborted wait says nothing about time. */
export function reasonOf(error: Error, ms: number): string {
  return error.name === 'AbortError' ? `nothing for ${ms / 1000} s` : error.message
}
