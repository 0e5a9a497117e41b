// Fetching a checkpoint from a Hub that runs in the test: which files it fetches, verifies, resumes, keeps and refuses.
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  COMMIT,
  FILES,
  gitSha1,
  type HubBehaviour,
  hub,
  send,
  serve,
  sha256,
  WEIGHTS,
} from '#test/given/hub.ts'
import { fetchCheckpoint, parseHubUri } from './checkpoint.ts'

async function home(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-hub-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  return folder
}

const fast = { attempts: 3, backoff: { first: 0, longest: 0 } }

test('a checkpoint is stored in the layout of huggingface_hub, under the commit', async (t) => {
  const { endpoint, requests } = await hub(t)
  const HF_HOME = await home(t)
  const env = { HF_ENDPOINT: `${endpoint}/`, HF_HOME }
  const folder = await fetchCheckpoint('hf://facebook/sam', { env, ...fast })
  const repository = join(HF_HOME, 'hub', 'models--facebook--sam')
  assert.equal(folder, join(repository, 'snapshots', COMMIT))
  assert.equal(await readFile(join(repository, 'refs', 'main'), 'utf8'), COMMIT)
  assert.equal(await readlink(join(folder, 'model.safetensors')), `../../blobs/${sha256(WEIGHTS)}`)
  for (const [file, content] of Object.entries(FILES))
    assert.ok(content.equals(await readFile(join(folder, file))))
  assert.deepEqual((await readdir(join(repository, 'blobs'))).length, 3)

  await fetchCheckpoint('hf://facebook/sam@main', { env, ...fast })
  assert.equal(requests('GET').length, 3, 'nothing is downloaded twice')
  const asked = requests('HEAD').length
  assert.equal(await fetchCheckpoint(`hf://facebook/sam@${COMMIT}`, { env, ...fast }), folder)
  assert.equal(requests('HEAD').length, asked, 'a commit in the cache needs no request')
})

test('a revision with slashes; shards by their index; the newer processor file', async (t) => {
  const shard = 'model-00001-of-00001.safetensors'
  const { 'config.json': config } = FILES
  const files = {
    'config.json': config!,
    'processor_config.json': Buffer.from('{}'),
    'model.safetensors.index.json': Buffer.from(JSON.stringify({ weight_map: { a: shard, b: shard } })),
    [shard]: WEIGHTS,
  }
  const { endpoint } = await hub(t, { files })
  const cache = await home(t)
  const folder = await fetchCheckpoint('hf://facebook/sam@refs/pr/1', {
    env: { HF_ENDPOINT: endpoint },
    cache,
    ...fast,
  })
  assert.deepEqual((await readdir(folder)).sort(), Object.keys(files).sort())
  assert.equal(
    await readFile(join(cache, 'models--facebook--sam', 'refs', 'refs', 'pr', '1'), 'utf8'),
    COMMIT,
  )
})

test('an index that leads out of the folder is refused', async (t) => {
  const index = Buffer.from(JSON.stringify({ weight_map: { a: '../../evil.safetensors' } }))
  const { 'config.json': config } = FILES
  const files = {
    'config.json': config!,
    'preprocessor_config.json': config!,
    'model.safetensors.index.json': index,
  }
  const { endpoint } = await hub(t, { files })
  await assert.rejects(
    fetchCheckpoint('hf://facebook/sam', { env: { HF_ENDPOINT: endpoint }, cache: await home(t), ...fast }),
    { code: 'BadCheckpoint', message: /does not list safetensors shards/ },
  )
})

test('a download that breaks off within a file resumes there', async (t) => {
  let breaks = 2
  const { endpoint, seen } = await hub(t, {
    content(request, response, body) {
      if (breaks-- <= 0) return false
      const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0)
      if (from > 0) response.setHeader('content-range', `bytes ${from}-${body.length - 1}/${body.length}`)
      response.writeHead(from > 0 ? 206 : 200, { 'content-length': body.length - from })
      response.write(body.subarray(from, from + 100_000), () => setTimeout(() => response.destroy(), 20))
      return true
    },
  })
  const env = { HF_ENDPOINT: endpoint }
  const cache = await home(t)
  const folder = await fetchCheckpoint('hf://facebook/sam', { ...fast, env, cache, attempts: 1 })
  assert.ok(WEIGHTS.equals(await readFile(join(folder, 'model.safetensors'))))
  const ranges = seen.filter((r) => r.method === 'GET' && r.path === 'model.safetensors').map((r) => r.range)
  assert.equal(ranges.length, 3)
  assert.equal(ranges[0], undefined)
  for (const range of ranges.slice(1)) assert.match(range!, /^bytes=[1-9]\d*-$/)
})

test('the partial file of a killed process is resumed, and never taken for the complete file', async (t) => {
  const { endpoint, seen } = await hub(t)
  const cache = await home(t)
  const blobs = join(cache, 'models--facebook--sam', 'blobs')
  await mkdir(blobs, { recursive: true })
  await writeFile(join(blobs, `${sha256(WEIGHTS)}.fedsam-partial`), WEIGHTS.subarray(0, 1000))
  const folder = await fetchCheckpoint('hf://facebook/sam', {
    env: { HF_ENDPOINT: endpoint },
    cache,
    ...fast,
  })
  assert.ok(WEIGHTS.equals(await readFile(join(folder, 'model.safetensors'))))
  assert.equal(seen.findLast((r) => r.method === 'GET')!.range, 'bytes=1000-')
})

test('a damaged file is found by its checksum and fetched again, also from a server without ranges', async (t) => {
  for (const knowsRanges of [true, false]) {
    const { endpoint } = await hub(t, {
      content(_request, response, body) {
        if (knowsRanges) return false
        response.writeHead(200, { 'content-length': body.length }).end(body)
        return true
      },
    })
    const cache = await home(t)
    const blobs = join(cache, 'models--facebook--sam', 'blobs')
    await mkdir(blobs, { recursive: true })
    await writeFile(join(blobs, `${sha256(WEIGHTS)}.fedsam-partial`), Buffer.alloc(5000, 'x'))
    const folder = await fetchCheckpoint('hf://facebook/sam', {
      env: { HF_ENDPOINT: endpoint },
      cache,
      ...fast,
    })
    assert.ok(WEIGHTS.equals(await readFile(join(folder, 'model.safetensors'))))
  }
})

test('a download without progress ends with an error that says how to resume it', async (t) => {
  const { endpoint, requests } = await hub(t, {
    content(_request, response, body) {
      response.writeHead(200, { 'content-length': body.length })
      response.write(body.subarray(0, 1000), () => setTimeout(() => response.destroy(), 20))
      return true
    },
  })
  const fetched = fetchCheckpoint('hf://facebook/sam', {
    env: { HF_ENDPOINT: endpoint },
    cache: await home(t),
    ...fast,
  })
  const remedy = /resumes where it broke off/
  await assert.rejects(fetched, {
    code: 'StorageUnreachable',
    message: /ended after 1000 of 300000 bytes/,
    remedy,
  })
  assert.equal(requests('GET').filter((path) => path === 'model.safetensors').length, 4)
})

test('content with another checksum is refused and deleted', async (t) => {
  const { endpoint, requests } = await hub(t, { etag: 'b'.repeat(64) })
  const cache = await home(t)
  await assert.rejects(
    fetchCheckpoint('hf://facebook/sam', { env: { HF_ENDPOINT: endpoint }, cache, ...fast }),
    {
      code: 'BadCheckpoint',
      message: new RegExp(`has the content ${sha256(WEIGHTS)}, not b{64}`),
    },
  )
  assert.equal(requests('GET').filter((path) => path === 'model.safetensors').length, 2)
  const blobs = await readdir(join(cache, 'models--facebook--sam', 'blobs'))
  assert.deepEqual(
    blobs.sort(),
    [gitSha1(FILES['config.json']!), gitSha1(FILES['preprocessor_config.json']!)].sort(),
  )
})

test('the token goes to the endpoint, and to no host that it redirects to', async (t) => {
  const elsewhere: (string | undefined)[] = []
  const cdn = await serve(t, (request, response) => {
    elsewhere.push(request.headers.authorization)
    send(request, response, WEIGHTS)
  })
  const { endpoint, seen } = await hub(t, {
    private: true,
    content(_request, response) {
      response.writeHead(302, { location: `${cdn}/signed?x=1` }).end()
      return true
    },
  })
  const env = { HF_ENDPOINT: endpoint, HF_TOKEN: 'secret' }
  const folder = await fetchCheckpoint('hf://facebook/sam', { env, cache: await home(t), ...fast })
  assert.ok(WEIGHTS.equals(await readFile(join(folder, 'model.safetensors'))))
  assert.deepEqual(elsewhere, [undefined])
  assert.ok(seen.every(({ token }) => token === 'Bearer secret'))
})

test('a fetch that requires TLS sends nothing to a Hub without', async (t) => {
  const { endpoint, seen } = await hub(t)
  const cache = await home(t)
  const fetched = fetchCheckpoint('hf://facebook/sam', {
    env: { HF_ENDPOINT: endpoint, HF_TOKEN: 'secret' },
    cache,
    requireTls: true,
    ...fast,
  })
  await assert.rejects(fetched, { code: 'StorageUnreachable', message: /^http:\/\/\S+ has no TLS/ })
  assert.deepEqual(seen, [])
})

test('a redirect that describes the file is not followed to learn what it is', async (t) => {
  let asked = 0
  const { endpoint } = await hub(t, {
    head(response) {
      asked += 1
      if (asked !== 3) return false
      const headers = {
        'x-repo-commit': COMMIT,
        'x-linked-etag': sha256(WEIGHTS),
        'x-linked-size': WEIGHTS.length,
      }
      response.writeHead(302, { ...headers, location: 'http://127.0.0.1:1/gone' }).end()
      return true
    },
  })
  await fetchCheckpoint('hf://facebook/sam', {
    env: { HF_ENDPOINT: endpoint },
    cache: await home(t),
    ...fast,
  })
})

test('every refusal of the Hub names its remedy', async (t) => {
  const { 'config.json': config } = FILES
  const gated = (response: ServerResponse): boolean => {
    response.writeHead(403, { 'x-error-code': 'GatedRepo' }).end()
    return true
  }
  const cases: [HubBehaviour, string, RegExp, RegExp][] = [
    [
      { private: true },
      'hf://facebook/sam',
      /facebook\/sam at .* does not exist or is private \(401\)/,
      /set HF_TOKEN/,
    ],
    [{}, 'hf://facebook/none', /facebook\/none at .* does not exist or is private \(404\)/, /Check the name/],
    [{}, 'hf://facebook/sam@v9', /has no revision v9/, /after @ in checkpoint\.uri/],
    [
      { head: gated },
      'hf://facebook/sam',
      /access to facebook\/sam at .* is refused \(403\)/,
      /Accept its terms/,
    ],
    [
      { files: {} },
      'hf://facebook/sam',
      /facebook\/sam has no config\.json at main/,
      /Segment Anything checkpoint/,
    ],
    [
      { files: { 'config.json': config! } },
      'hf://facebook/sam',
      /has no preprocessor_config\.json or/,
      /checkpoint/,
    ],
    [
      { files: { 'config.json': config!, 'preprocessor_config.json': config! } },
      'hf://facebook/sam',
      /has no model\.safetensors or model\.safetensors\.index\.json at a{40}/,
      /safetensors weights/,
    ],
  ]
  for (const [behaviour, uri, message, remedy] of cases) {
    const { endpoint } = await hub(t, behaviour)
    const fetched = fetchCheckpoint(uri, { env: { HF_ENDPOINT: endpoint }, cache: await home(t), ...fast })
    // A missing or forbidden repository may become available; a repository without the files is not a checkpoint.
    const code = /has no (config|preprocessor|model)/.test(String(message))
      ? 'BadCheckpoint'
      : 'CheckpointUnavailable'
    await assert.rejects(fetched, { code, message, remedy })
  }
})

test('a busy Hub is asked again; an unreachable Hub is an error unless the cache is complete', async (t) => {
  let busy = 2
  const { endpoint } = await hub(t, {
    head(response) {
      if (busy-- <= 0) return false
      response.writeHead(503).end()
      return true
    },
  })
  const cache = await home(t)
  const folder = await fetchCheckpoint('hf://facebook/sam', {
    env: { HF_ENDPOINT: endpoint },
    cache,
    ...fast,
  })
  const lines: string[] = []
  const away = {
    env: { HF_ENDPOINT: 'http://127.0.0.1:1' },
    log: (line: string) => lines.push(line),
    ...fast,
  }
  assert.equal(await fetchCheckpoint('hf://facebook/sam', { ...away, cache }), folder)
  assert.match(lines[0]!, /cannot be reached; using facebook\/sam from the cache/)
  await rm(join(folder, 'model.safetensors'))
  const failed = { code: 'StorageUnreachable', message: /cannot be reached/ }
  await assert.rejects(fetchCheckpoint('hf://facebook/sam', { ...away, cache }), failed)
  await assert.rejects(fetchCheckpoint('hf://facebook/sam', { ...away, cache: await home(t) }), failed)
})

test('valid and invalid addresses', async () => {
  assert.deepEqual(parseHubUri('hf://a/b'), { owner: 'a', name: 'b', revision: 'main' })
  assert.deepEqual(parseHubUri('hf://a/b.c@refs/pr/1'), { owner: 'a', name: 'b.c', revision: 'refs/pr/1' })
  for (const uri of [
    'hf://a',
    'hf://a/b/c',
    'hf://../b',
    'hf://a/b@',
    'hf://a/b@../x',
    'hf://a/b@x//y',
    'https://a/b',
  ]) {
    assert.throws(() => parseHubUri(uri), { code: 'InvalidJob' }, uri)
  }
  const env = { HF_ENDPOINT: 'huggingface.co' }
  await assert.rejects(fetchCheckpoint('hf://a/b', { env }), {
    code: 'InvalidJob',
    message: /is not a web address/,
  })
})
