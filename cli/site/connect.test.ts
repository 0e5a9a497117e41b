import assert from 'node:assert/strict'
import { test } from 'node:test'
import { wayOf } from './connect.ts'

const STORE = 'https://fed.example.org'
const [OURS, THEIRS] = ['http://proxy.example.org:3128', 'http://other.example.org:3128']

test("a site takes the proxy of its file, else that of the environment, unless NO_PROXY names the federation's host", () => {
  const env = { HTTPS_PROXY: THEIRS }
  assert.deepEqual(wayOf('pem', { store: STORE, proxy: OURS }, env), { ca: 'pem', proxy: OURS })
  assert.deepEqual(wayOf(undefined, { store: STORE }, env), { proxy: `${THEIRS}/` })
  assert.deepEqual(wayOf(undefined, { store: STORE }, { ...env, NO_PROXY: '.example.org' }), {})
  assert.deepEqual(wayOf(undefined, { store: STORE, proxy: OURS }, { ...env, NO_PROXY: '*' }), {
    proxy: OURS,
  })
  assert.deepEqual(wayOf(undefined, { store: STORE }, {}), {})
  assert.throws(() => wayOf(undefined, { store: STORE }, { HTTPS_PROXY: 'socks5://proxy:1080' }), {
    code: 'InvalidJob',
    message: /HTTPS_PROXY/,
  })
})
