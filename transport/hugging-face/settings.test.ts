// The settings of a Hub as huggingface_hub reads them.
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { FedsamError } from '#protocol/errors.ts'
import { hub } from '#test/given/hub.ts'
import { fetchCheckpoint } from './checkpoint.ts'
import { type HubEnvironment, hubSettings } from './settings.ts'

const home = await mkdtemp(join(tmpdir(), 'fedsam-home-'))
after(() => rm(home, { recursive: true, force: true }))
await writeFile(join(home, 'my-token'), 'hf_file\r\n')
await mkdir(join(home, '.cache/huggingface'), { recursive: true })
await writeFile(join(home, '.cache/huggingface/token'), 'hf_login\n')

const settings = (env: HubEnvironment) => hubSettings(env, home)

test('a token comes from the first variable that is set, then from the file', async () => {
  const cases: readonly [HubEnvironment, string | undefined][] = [
    [{ HF_TOKEN: 'hf_a', HUGGING_FACE_HUB_TOKEN: 'hf_b' }, 'hf_a'],
    [{ HF_TOKEN: ' hf_a\n' }, 'hf_a'],
    [{ HF_TOKEN: '', HUGGING_FACE_HUB_TOKEN: 'hf_b' }, 'hf_b'],
    [{ HF_TOKEN_PATH: '~/my-token' }, 'hf_file'],
    [{ HF_TOKEN_PATH: join(home, 'absent') }, undefined],
    [{}, 'hf_login'],
    [{ HF_HOME: join(home, 'empty') }, undefined],
    [{ XDG_CACHE_HOME: '~/.cache' }, 'hf_login'],
    [{ HF_TOKEN: 'hf_a', HF_HUB_DISABLE_IMPLICIT_TOKEN: '1' }, undefined],
  ]
  for (const [env, token] of cases) assert.equal((await settings(env)).token, token, JSON.stringify(env))
})

test('the cache folder comes from the first variable that is set', async () => {
  const all = {
    HF_HUB_CACHE: '/one',
    HUGGINGFACE_HUB_CACHE: '/two',
    HF_HOME: '/three',
    XDG_CACHE_HOME: '/four',
  }
  const caches = ['/one', '/two', '/three/hub', '/four/huggingface/hub', join(home, '.cache/huggingface/hub')]
  let env: Record<string, string> = all
  for (const cache of caches) {
    assert.equal((await settings(env)).cache, cache)
    env = Object.fromEntries(Object.entries(env).slice(1))
  }
  assert.equal((await settings({ HF_HOME: '~/models' })).cache, join(home, 'models/hub'))
})

test('an error names the variable or file, and shows no secret', async () => {
  const cases: readonly [HubEnvironment, RegExp][] = [
    [{ HF_ENDPOINT: 'huggingface.co' }, /^HF_ENDPOINT is not a web address$/],
    [{ HF_ENDPOINT: 'https://user:secret@hub' }, /^HF_ENDPOINT has a user or a password in its address$/],
    [{ HF_TOKEN: 'hf_secret hf_secret' }, /^HF_TOKEN holds a token with spaces/],
    [{ HF_TOKEN_PATH: home }, new RegExp(`^the token's file ${home} cannot be read \\(EISDIR\\)$`)],
  ]
  for (const [env, message] of cases) {
    await assert.rejects(
      settings(env),
      (error) => error instanceof FedsamError && message.test(error.message),
    )
  }
})

test('offline: the cache is used without a request, and an error names a missing checkpoint', async (t) => {
  const { endpoint, requests } = await hub(t)
  const env = { HF_ENDPOINT: endpoint, HF_HUB_CACHE: join(home, 'offline') }
  for (const name of ['HF_HUB_OFFLINE', 'TRANSFORMERS_OFFLINE']) {
    await assert.rejects(
      fetchCheckpoint('hf://facebook/sam', { env: { ...env, [name]: 'yes' } }),
      (error) =>
        error instanceof FedsamError &&
        error.code === 'CheckpointUnavailable' &&
        error.message.startsWith(
          `${name} is set, and facebook/sam at main is not complete in ${env.HF_HUB_CACHE}`,
        ),
    )
  }
  assert.equal(requests('HEAD').length, 0)
  const folder = await fetchCheckpoint('hf://facebook/sam', { env })
  const asked = requests('HEAD').length
  assert.equal(await fetchCheckpoint('hf://facebook/sam', { env: { ...env, HF_HUB_OFFLINE: '1' } }), folder)
  assert.equal(requests('HEAD').length, asked)
})

test('a Hub that is reached through the proxy of HTTP_PROXY alone', async (t) => {
  const { endpoint, seen } = await hub(t, { private: true })
  // A proxy gets whole addresses: the Hub of the test takes them for paths of its own, so it serves as the proxy.
  const env = {
    HTTP_PROXY: endpoint.replace('//', '//user:secret@'),
    HF_ENDPOINT: 'http://hub.invalid',
    HF_HUB_CACHE: join(home, 'proxied'),
    HF_TOKEN: 'secret',
  }
  await assert.rejects(
    fetchCheckpoint('hf://facebook/sam', { env: { ...env, NO_PROXY: 'invalid' }, attempts: 1 }),
    {
      code: 'StorageUnreachable',
    },
  )
  assert.equal(seen.length, 0)
  await assert.rejects(fetchCheckpoint('hf://facebook/sam', { env, attempts: 1 }))
  assert.equal(seen[0]?.token, 'Bearer secret')
  const nowhere = { ...env, HTTP_PROXY: 'http://user:secret@127.0.0.1:1' }
  await assert.rejects(fetchCheckpoint('hf://facebook/sam', { env: nowhere, attempts: 1 }), (error) => {
    assert.match((error as Error).message, /cannot be reached through the proxy 127\.0\.0\.1:1: /)
    assert.doesNotMatch((error as Error).message, /secret/)
    return true
  })
})
