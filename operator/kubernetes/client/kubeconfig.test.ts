// kubeconfigs in the forms that kubectl accepts, against real servers of this test: with TLS, without, and behind a proxy.
import assert from 'node:assert/strict'
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { createServer as createSecure } from 'node:https'
import { type AddressInfo, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { connectContext, NoCluster } from './client.ts'
import { readKubeconfig } from './kubeconfig.ts'

const TLS = fileURLToPath(new URL('../../../test/tls/', import.meta.url))
const saved = { ...process.env }
let folder: string
let secure: Server
let plain: Server
let proxy: Server
let asked: string[]
let tunnels: string[]

const portOf = (server: Server): number => (server.address() as AddressInfo).port
const listen = (server: Server): Promise<void> =>
  new Promise((resolve) => void server.listen(0, '127.0.0.1', resolve))

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fedsam-kubeconfig-'))
  await mkdir(join(folder, 'certs'))
  for (const file of ['ca.pem', 'client.pem', 'client.key'])
    await copyFile(join(TLS, file), join(folder, 'certs', file))
  const answer = (request: IncomingMessage): string => {
    const peer =
      'getPeerCertificate' in request.socket
        ? (
            request.socket as never as { getPeerCertificate(): { subject?: { CN?: string } } }
          ).getPeerCertificate().subject?.CN
        : undefined
    asked.push(`${request.url} ${request.headers.authorization ?? peer ?? 'nobody'}`)
    return '{"kind":"List"}'
  }
  const [key, cert, ca] = await Promise.all(
    ['server.key', 'server.pem', 'ca.pem'].map((name) => readFile(join(TLS, name))),
  )
  secure = createSecure(
    { key, cert, ca, requestCert: true, rejectUnauthorized: false },
    (request, response) => response.end(answer(request)),
  )
  plain = createServer((request, response) => response.end(answer(request)))
  proxy = createServer()
  proxy.on('connect', (request, socket) => {
    tunnels.push(`${request.url} ${request.headers['proxy-authorization'] ?? ''}`.trim())
    const upstream = connect(portOf(secure), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      upstream.pipe(socket)
      socket.pipe(upstream)
    })
    for (const end of [upstream, socket]) end.on('error', () => socket.destroy())
  })
  await Promise.all([secure, plain, proxy].map(listen))
})
beforeEach(() => {
  asked = []
  tunnels = []
  for (const name of Object.keys(process.env)) if (/proxy|^KUBE/i.test(name)) delete process.env[name]
})
after(async () => {
  Object.assign(process.env, saved)
  for (const server of [secure, plain, proxy]) {
    server.closeAllConnections()
    server.close()
  }
  await rm(folder, { recursive: true, force: true })
})

interface Parts {
  readonly server?: string
  readonly cluster?: object
  readonly user?: object
  readonly context?: object
}

async function kubeconfig(
  name: string,
  { server, cluster = {}, user = {}, context = {} }: Parts,
): Promise<string> {
  const file = join(folder, name)
  const address = server ?? `https://127.0.0.1:${portOf(secure)}`
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'c', cluster: { server: address, ...cluster } }],
    users: [{ name: 'u', user }],
    contexts: [{ name: 'here', context: { cluster: 'c', user: 'u', ...context } }],
    'current-context': 'here',
  }
  await writeFile(file, JSON.stringify(config))
  return file
}

async function ask(options: Parameters<typeof connectContext>[0]): Promise<void> {
  const { client } = connectContext(options)
  try {
    await client.call({ method: 'GET', path: '/version' })
  } finally {
    client.close()
  }
}

const CA = { 'certificate-authority': 'certs/ca.pem' }

test('certificates in files are relative to their kubeconfig; inline ones count too', async () => {
  const user = { 'client-certificate': 'certs/client.pem', 'client-key': './certs/client.key' }
  await ask({ kubeconfig: await kubeconfig('files', { cluster: CA, user }) })
  const inline = async (name: string) => (await readFile(join(TLS, name))).toString('base64')
  const data = {
    cluster: { 'certificate-authority-data': await inline('ca.pem') },
    user: {
      'client-certificate-data': await inline('client.pem'),
      'client-key-data': await inline('client.key'),
    },
  }
  await ask({ kubeconfig: await kubeconfig('inline', data) })
  assert.equal(asked.length, 2)
  assert.equal(asked[0], asked[1])
  assert.doesNotMatch(asked[0]!, /nobody/)
})

test('a token: in the kubeconfig, in a file that is renewed, or from a plugin beside the kubeconfig', async () => {
  await ask({ kubeconfig: await kubeconfig('token', { cluster: CA, user: { token: 'written' } }) })
  const renewed = await kubeconfig('token-file', { cluster: CA, user: { tokenFile: 'token.txt' } })
  const { client } = connectContext({ kubeconfig: renewed })
  for (const token of ['first', 'second']) {
    await writeFile(join(folder, 'token.txt'), `${token}\n`)
    await client.call({ method: 'GET', path: '/version' })
  }
  client.close()
  const credential = {
    apiVersion: 'client.authentication.k8s.io/v1',
    kind: 'ExecCredential',
    status: { token: 'plugged' },
  }
  await writeFile(join(folder, 'plugin'), `#!/bin/sh\necho '${JSON.stringify(credential)}'\n`, {
    mode: 0o755,
  })
  const exec = {
    apiVersion: 'client.authentication.k8s.io/v1',
    command: './plugin',
    interactiveMode: 'Never',
  }
  await ask({ kubeconfig: await kubeconfig('exec', { cluster: CA, user: { exec } }) })
  assert.deepEqual(
    asked,
    ['written', 'first', 'second', 'plugged'].map((token) => `/version Bearer ${token}`),
  )
})

test('TLS: an unknown authority is rejected unless the check is skipped; the checked name can be configured', async () => {
  await assert.rejects(ask({ kubeconfig: await kubeconfig('unknown', {}) }))
  await ask({ kubeconfig: await kubeconfig('skipped', { cluster: { 'insecure-skip-tls-verify': true } }) })
  await assert.rejects(
    ask({ kubeconfig: await kubeconfig('other', { cluster: { ...CA, 'tls-server-name': 'other' } }) }),
  )
  await ask({ kubeconfig: await kubeconfig('named', { cluster: { ...CA, 'tls-server-name': 'localhost' } }) })
  assert.equal(asked.length, 2)
})

test('a server without TLS, as kubectl proxy serves it, and with a path', async () => {
  const server = `http://127.0.0.1:${portOf(plain)}/k8s/clusters/c-1`
  await ask({ kubeconfig: await kubeconfig('plain', { server }) })
  assert.deepEqual(asked, ['/k8s/clusters/c-1/version nobody'])
})

test('the proxy of the kubeconfig, or else of the environment, except for NO_PROXY', async () => {
  const address = `http://127.0.0.1:${portOf(proxy)}`
  const server = 'https://localhost.example:6443'
  const cluster = { ...CA, 'tls-server-name': 'localhost' }
  const own = await kubeconfig('own-proxy', { server, cluster: { ...cluster, 'proxy-url': address } })
  await ask({ kubeconfig: own })
  process.env.HTTPS_PROXY = 'http://127.0.0.1:1'
  await ask({ kubeconfig: own })
  process.env.HTTPS_PROXY = address.replace('//', '//user:p%40ss@')
  await ask({ kubeconfig: await kubeconfig('env-proxy', { server, cluster }) })
  const user = `Basic ${Buffer.from('user:p@ss').toString('base64')}`
  assert.deepEqual(tunnels, [
    'localhost.example:6443',
    'localhost.example:6443',
    `localhost.example:6443 ${user}`,
  ])
  process.env.NO_PROXY = '.example'
  await assert.rejects(ask({ kubeconfig: await kubeconfig('no-proxy', { server, cluster }) }))
  assert.equal(tunnels.length, 3)
})

test('a proxy that cannot be used is named without its password', async () => {
  const server = 'https://localhost.example:6443'
  process.env.HTTPS_PROXY = 'ftp://user:secret@proxy'
  const file = await kubeconfig('bad-proxy', { server })
  assert.throws(
    () => connectContext({ kubeconfig: file }),
    /^FedsamError: HTTPS_PROXY names a proxy of the kind ftp:\/\/$/,
  )
  const own = await kubeconfig('bad-own', { server, cluster: { 'proxy-url': 'ftp://user:secret@proxy' } })
  assert.throws(
    () => connectContext({ kubeconfig: own }),
    /^FedsamError: proxy-url of the cluster c names a proxy of the kind/,
  )
})

test('several files in KUBECONFIG: the first one that has a name wins, and missing files are skipped', async () => {
  const first = await kubeconfig('first', {
    cluster: CA,
    user: { token: 'first' },
    context: { namespace: 'team-a' },
  })
  await mkdir(join(folder, 'sub'), { recursive: true })
  const second = await kubeconfig('sub/second', { user: { token: 'second' } })
  const more = JSON.parse(await readFile(second, 'utf8'))
  more.users.push({ name: 'v', user: { tokenFile: '../token.txt' } })
  more.contexts.push({ name: 'there', context: { cluster: 'c', user: 'v' } })
  more['current-context'] = 'there'
  await writeFile(second, JSON.stringify(more))
  await writeFile(join(folder, 'token.txt'), 'of v')
  process.env.KUBECONFIG = [join(folder, 'absent'), first, second].join(delimiter)
  const { namespace, context } = connectContext({})
  assert.deepEqual([context, namespace], ['here', 'team-a'])
  await ask({})
  await ask({ context: 'there' })
  assert.deepEqual(asked, ['/version Bearer first', '/version Bearer of v'])
})

test('an error names the file, the context or the variable that cannot be used', async () => {
  const broken = join(folder, 'broken')
  const cases: readonly [string, RegExp][] = [
    ['a: [1', /broken cannot be read: /],
    ['[1]', /broken is not a kubeconfig: its content is not an object$/],
    ['clusters: 3', /broken is not a kubeconfig: clusters is not a list of entries with names$/],
    ['users: [{user: {}}]', /broken is not a kubeconfig: users is not a list of entries with names$/],
  ]
  for (const [text, message] of cases) {
    await writeFile(broken, text)
    assert.throws(() => readKubeconfig(broken, {}, folder), { name: 'BrokenKubeconfig', message }, text)
  }
  const absent = { name: 'BrokenKubeconfig', message: /absent cannot be read: no such file$/ }
  assert.throws(() => readKubeconfig(join(folder, 'absent'), {}, folder), absent)
  const env = { KUBECONFIG: ['/a', '/b'].join(delimiter) }
  assert.throws(
    () => readKubeconfig(undefined, env, folder),
    /KUBECONFIG names \/a and \/b, and no such file exists$/,
  )
  assert.equal(readKubeconfig(undefined, {}, folder), undefined)
  const file = await kubeconfig('contexts', {})
  assert.throws(
    () => connectContext({ kubeconfig: file, context: 'nowhere' }),
    (error) => {
      assert.ok(error instanceof NoCluster)
      assert.equal(error.message, 'the kubeconfig has no context nowhere')
      assert.deepEqual(error.contexts, ['here'])
      return true
    },
  )
})
