// Which HTTP proxy a request takes, by the variables that curl and Go read: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY, in
// upper or lower case. Guarantees: a proxy's user and password go to the proxy and into no message. Node's own client talks to
// the proxy. Its agents read variables too, but know neither ALL_PROXY nor networks such as 10.0.0.0/8 in NO_PROXY.
import type { AgentOptions, Agent as HttpAgent } from 'node:http'
import type { Agent as HttpsAgent } from 'node:https'
import { BlockList, isIP } from 'node:net'
import { FedsamError } from '#protocol/errors.ts'
import type { Environment } from '#runtime/environment.ts'
import { http, https } from '#runtime/http.ts'

/**
 * The proxy of a request to this URL; undefined where the request goes directly. Requests to this machine always do, as in Go.
 * Throws FedsamError InvalidJob, which names the variable, for a proxy that cannot be used.
 */
export function proxyFor(target: URL, env: Environment): string | undefined {
  const names = target.protocol === 'https:' ? ['https_proxy', 'all_proxy'] : ['http_proxy', 'all_proxy']
  const found = names.flatMap((name) => variable(name, env) ?? [])[0]
  if (found === undefined) return undefined
  const host = hostOf(target)
  if (isLoopback(host) || isExcluded(host, portOf(target), env)) return undefined
  return checkedProxy(found.value, found.name)
}

/** The proxy variables, and no others. */
export function proxyVariables(env: Environment): Environment {
  const names = ['http_proxy', 'https_proxy', 'all_proxy', 'no_proxy'].flatMap((name) => [
    name,
    name.toUpperCase(),
  ])
  return Object.fromEntries(names.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]])))
}

/** The proxy as a URL for Node. `where`: the variable or the file that names it. Throws FedsamError InvalidJob. */
export function checkedProxy(value: string, where: string): string {
  const text = value.includes('://') ? value : `http://${value}`
  const proxy = URL.canParse(text) ? new URL(text) : undefined
  if (proxy && ['http:', 'https:'].includes(proxy.protocol) && proxy.hostname !== '') return proxy.href
  const what = proxy ? `names a proxy of the kind ${proxy.protocol}//` : 'does not name a proxy'
  throw new FedsamError('InvalidJob', `${where} ${what}`, {
    remedy: `set ${where} to the http:// or https:// address of an HTTP proxy, or add the host to NO_PROXY`,
  })
}

/** Connections to one origin: through the proxy where there is one. */
export function agentFor(
  target: URL,
  proxy: string | undefined,
  options: AgentOptions,
): HttpAgent | HttpsAgent {
  const proxyEnv = proxy === undefined ? {} : { HTTP_PROXY: proxy, HTTPS_PROXY: proxy }
  const all = { ...options, proxyEnv }
  return target.protocol === 'https:' ? new (https().Agent)(all) : new (http().Agent)(all)
}

/** The first spelling that has a value: lower case before upper case, as in curl. */
function variable(name: string, env: Environment): { name: string; value: string } | undefined {
  const spelling = [name, name.toUpperCase()].find((candidate) => (env[candidate] ?? '').trim() !== '')
  return spelling === undefined ? undefined : { name: spelling, value: env[spelling]!.trim() }
}

/** In lower case, without the brackets of an IPv6 address and without the dot at the end of a full name. */
function hostOf({ hostname }: URL): string {
  return hostname
    .toLowerCase()
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '')
}

function portOf({ protocol, port }: URL): string {
  return port || (protocol === 'https:' ? '443' : '80')
}

/** Whether the host is this machine. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}

/** By the entries of NO_PROXY, between commas or spaces: *, names with their subdomains, addresses, networks, each with a port. */
function isExcluded(host: string, port: string, env: Environment): boolean {
  const entries =
    variable('no_proxy', env)
      ?.value.toLowerCase()
      .split(/[\s,]+/) ?? []
  return entries.some((entry) => entry !== '' && matches(entry, host, port))
}

function matches(entry: string, host: string, port: string): boolean {
  if (entry === '*') return true
  if (entry.includes('/')) return isInNetwork(entry, host)
  const { name, only } = splitPort(entry)
  if (only !== undefined && only !== port) return false
  if (isIP(name) !== 0) return isInNetwork(`${name}/${isIP(name) === 4 ? 32 : 128}`, host)
  const domain = name.replace(/^\*?\./, '').replace(/\.$/, '')
  // A leading dot means the subdomains alone, as in Go.
  return host.endsWith(`.${domain}`) || (host === domain && !/^\*?\./.test(name))
}

function splitPort(entry: string): { name: string; only?: string } {
  const bracketed = /^\[([^\]]*)\](?::(\d+))?$/.exec(entry)
  if (bracketed) return { name: bracketed[1]!, ...(bracketed[2] ? { only: bracketed[2] } : {}) }
  const [name = '', only, more] = entry.split(':')
  // More colons: an IPv6 address without a port.
  return more !== undefined || only === undefined ? { name: entry } : { name, only }
}

function isInNetwork(network: string, host: string): boolean {
  const [address = '', bits = ''] = network.replace(/[[\]]/g, '').split('/')
  const family = isIP(address)
  if (family === 0 || family !== isIP(host) || !/^\d{1,3}$/.test(bits)) return false
  if (Number(bits) > (family === 4 ? 32 : 128)) return false
  const type = family === 4 ? 'ipv4' : 'ipv6'
  const list = new BlockList()
  list.addSubnet(address, Number(bits), type)
  return list.check(host, type)
}
