// The proxy variables as curl and Go read them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FedsamError } from '#protocol/errors.ts'
import type { Environment } from '#runtime/environment.ts'
import { proxyFor } from './proxy.ts'

const PROXY = 'http://proxy.example:3128/'
const proxyOf = (url: string, env: Environment) => proxyFor(new URL(url), env)

test('each scheme has its variable, in upper or lower case, and ALL_PROXY is the default for both', () => {
  for (const name of ['HTTPS_PROXY', 'https_proxy', 'ALL_PROXY', 'all_proxy'])
    assert.equal(proxyOf('https://hub.example', { [name]: PROXY }), PROXY, name)
  for (const name of ['HTTP_PROXY', 'http_proxy', 'ALL_PROXY', 'all_proxy'])
    assert.equal(proxyOf('http://hub.example', { [name]: PROXY }), PROXY, name)
  assert.equal(proxyOf('https://hub.example', { HTTP_PROXY: PROXY }), undefined)
  assert.equal(proxyOf('http://hub.example', { HTTPS_PROXY: PROXY }), undefined)
  assert.equal(proxyOf('https://hub.example', {}), undefined)
  assert.equal(proxyOf('https://hub.example', { https_proxy: '', HTTPS_PROXY: ' ', ALL_PROXY: PROXY }), PROXY)
  assert.equal(proxyOf('https://hub.example', { HTTPS_PROXY: PROXY, ALL_PROXY: 'http://other' }), PROXY)
  assert.equal(
    proxyOf('https://hub.example', { HTTPS_PROXY: 'http://a', https_proxy: 'http://b' }),
    'http://b/',
  )
})

test('a proxy without a scheme speaks HTTP; its user and password stay', () => {
  assert.equal(proxyOf('https://hub.example', { HTTPS_PROXY: 'proxy.example:3128' }), PROXY)
  const withUser = 'https://user:p%40ss@proxy.example:3128/'
  assert.equal(proxyOf('https://hub.example', { HTTPS_PROXY: withUser }), withUser)
})

test('a proxy that cannot be used is refused by the name of its variable, without its password', () => {
  const refused: readonly [Environment, string][] = [
    [{ HTTPS_PROXY: 'socks5://user:secret@proxy:1080' }, 'HTTPS_PROXY names a proxy of the kind socks5://'],
    [{ all_proxy: 'http://user:secret@:80' }, 'all_proxy does not name a proxy'],
  ]
  for (const [env, message] of refused) {
    assert.throws(
      () => proxyOf('https://hub.example', env),
      (error) => error instanceof FedsamError && error.code === 'InvalidJob' && error.message === message,
    )
  }
})

test('NO_PROXY names hosts, domains, addresses, networks and ports', () => {
  const cases: readonly [string, string, boolean][] = [
    ['*', 'https://hub.example', true],
    ['hub.example', 'https://hub.example', true],
    ['HUB.example', 'https://hub.EXAMPLE', true],
    ['hub.example', 'https://cdn.hub.example', true],
    ['hub.example', 'https://myhub.example', false],
    ['.hub.example', 'https://cdn.hub.example', true],
    ['.hub.example', 'https://hub.example', false],
    ['*.hub.example', 'https://cdn.hub.example', true],
    ['*.hub.example', 'https://cdnhub.example', false],
    ['example', 'https://hub.example.', true],
    ['hub.example:443', 'https://hub.example', true],
    ['hub.example:8443', 'https://hub.example', false],
    ['hub.example:8443', 'https://hub.example:8443', true],
    ['a, b other hub.example ,c', 'https://hub.example', true],
    ['', 'https://hub.example', false],
    [',', 'https://hub.example', false],
    ['10.0.0.0/8', 'https://10.96.0.1:443', true],
    ['10.0.0.0/8', 'https://11.0.0.1', false],
    ['10.0.0.0/8', 'https://hub.example', false],
    ['10.0.0.0/33', 'https://10.0.0.1', false],
    ['10.0.0.0/', 'https://10.0.0.1', false],
    ['10.96.0.1', 'https://10.96.0.1:6443', true],
    ['10.96.0.1:6443', 'https://10.96.0.1', false],
    ['fd00::/8', 'https://[fd00::1]:6443', true],
    ['fd00::1', 'https://[fd00:0::1]', true],
    ['[fd00::1]:443', 'https://[fd00::1]', true],
    ['[fd00::1]:443', 'https://[fd00::1]:6443', false],
    ['fe00::/8', 'https://[fd00::1]', false],
  ]
  for (const [noProxy, url, direct] of cases) {
    for (const name of ['NO_PROXY', 'no_proxy']) {
      const found = proxyOf(url, { HTTPS_PROXY: PROXY, [name]: noProxy })
      assert.equal(found, direct ? undefined : PROXY, `${noProxy} ${url}`)
    }
  }
})

test('requests to this machine take no proxy', () => {
  for (const host of ['localhost', '127.0.0.1', '127.9.9.9', '[::1]'])
    assert.equal(proxyOf(`http://${host}:7070`, { HTTP_PROXY: PROXY }), undefined, host)
})
