// Fetches a partition's data from a real S3 server: complete, verified, resumed after an interruption, with named faults.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { access, mkdtemp, readdir, readFile, rm, stat, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type S3Server, startS3 } from '#cli/run/servers/servers.ts'
import { startedEnvironment } from '#test/given/started.ts'
import { until } from '#test/until.ts'
import { type Listed, openPrefix, type PrefixReader, type Target } from '#transport/store/s3/prefix.ts'
import { openS3Store } from '#transport/store/s3/store.ts'
import { fetchSource } from './fetch.ts'

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url))
/** One object that is larger than every buffer of the transfer. */
const LARGE = Buffer.alloc(3_000_000, 'large')
const FILES: Readonly<Record<string, Buffer>> = {
  'images/001.png': Buffer.from('one'),
  'images/002.png': LARGE,
  'masks/001.png': Buffer.from('mask'),
  'masks/empty.png': Buffer.alloc(0),
}

let dir: string
let server: S3Server
let folder: string
let source: PrefixReader
let fetched: string[]
let log: string[]

const optionsOf = (prefix: string) => {
  const { bucket, endpoint, accessKey: accessKeyId, secretKey: secretAccessKey } = server
  return { bucket, prefix, endpoint, credentials: { accessKeyId, secretAccessKey } }
}

async function put(prefix: string, files: Readonly<Record<string, Buffer>>): Promise<void> {
  const store = openS3Store(optionsOf(prefix))
  for (const [name, bytes] of Object.entries(files)) {
    await store.delete(name)
    await store.put(name, bytes)
  }
  await store.close()
}

/** Counts the fetched objects, and fails before the n-th. */
function counting(prefix: string, breakAt = Number.POSITIVE_INFINITY): typeof source {
  const real = openPrefix(optionsOf(prefix))
  return {
    ...real,
    async fetch(object: Listed, target: Target) {
      if (fetched.length >= breakAt) throw new Error('killed')
      fetched.push(object.key)
      await real.fetch(object, target)
    },
  }
}

const run = (prefix = 'site-a', reader = source): Promise<void> =>
  fetchSource({ uri: `s3://data/${prefix}`, folder, source: reader, log: (line) => log.push(line) })
const isComplete = (): Promise<boolean> =>
  access(`${folder}.complete`).then(
    () => true,
    () => false,
  )

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'fedsam-source-'))
  server = await startS3({ folder: join(dir, 's3'), bucket: 'data' })
})
after(async () => {
  await server?.stop()
  await rm(dir, { recursive: true, force: true })
})
beforeEach(async () => {
  folder = join(await mkdtemp(join(dir, 'cache-')), 'data')
  fetched = []
  log = []
  source = counting('site-a')
  await put('site-a', FILES)
})

async function assertHasAll(files = FILES): Promise<void> {
  for (const [name, bytes] of Object.entries(files)) {
    assert.deepEqual(await readFile(join(folder, name)), bytes, name)
  }
  const names = await readdir(folder, { recursive: true, withFileTypes: true })
  assert.equal(names.filter((entry) => entry.isFile()).length, Object.keys(files).length)
}

describe('a source', () => {
  test('is fetched completely, and then the marker exists', async () => {
    await run()
    await assertHasAll()
    assert.ok(await isComplete())
  })

  test('resumes after an interruption: it fetches no file twice, and writes the marker last', async () => {
    await assert.rejects(run('site-a', counting('site-a', 2)), /killed/)
    assert.equal(await isComplete(), false)
    await run()
    await assertHasAll()
    assert.deepEqual(fetched.sort(), Object.keys(FILES).sort())
  })

  test('that changed between two starts: the fetch replaces the changed file only, and removes deleted ones', async () => {
    await assert.rejects(run('site-a', counting('site-a', 3)), /killed/)
    const store = openS3Store(optionsOf('site-a'))
    await store.delete('images/001.png')
    await store.close()
    const changed = { 'masks/001.png': Buffer.from('msk2') }
    await put('site-a', changed)
    fetched = []
    await run()
    const { 'images/001.png': _, ...rest } = FILES
    await assertHasAll({ ...rest, ...changed })
    assert.ok(fetched.length <= 2 && fetched.includes('masks/001.png'))
  })

  test('that is complete stays as it is, without a request, even after the source has changed', async () => {
    await run()
    await put('site-a', { 'masks/001.png': Buffer.from('other') })
    const nobody = {
      list: () => assert.fail('a request reached the source'),
      fetch: () => assert.fail('a request reached the source'),
      close: () => {},
      description: '',
    }
    await run('site-a', nobody)
    await assertHasAll()
  })

  test('whose file was lost is fetched again', async () => {
    await run()
    await unlink(join(folder, 'masks/001.png'))
    fetched = []
    await run()
    await assertHasAll()
    assert.deepEqual(fetched, ['masks/001.png'])
  })

  test('resumes in the middle of an object', async () => {
    const [large] = (await source.list()).filter(({ key }) => key === 'images/002.png')
    const file = join(dir, 'large.png')
    const partial = `${file}.partial`
    await writeFile(partial, LARGE.subarray(0, 1_000_001))
    const { ino } = await stat(partial)
    await source.fetch(large!, { file, partial })
    assert.deepEqual(await readFile(file), LARGE)
    assert.equal((await stat(file)).ino, ino)
  })
})

describe('the error names the fault of a source:', () => {
  test('an object that changed after it was listed', async () => {
    const [first] = await source.list()
    await put('site-a', { [first!.key]: Buffer.from('two') })
    await assert.rejects(
      source.fetch(first!, { file: join(dir, 'changed'), partial: join(dir, 'changed.partial') }),
      {
        code: 'BadData',
        message: /s3:\/\/data\/site-a: images\/001.png was changed or deleted/,
      },
    )
  })

  test('an empty prefix', async () => {
    await assert.rejects(run('nothing', counting('nothing')), {
      code: 'BadData',
      message: 's3://data/nothing: there is no object under this prefix',
    })
  })

  test('a bucket that does not exist, and credentials without the right to read', async () => {
    const other = openPrefix({ ...optionsOf('x'), bucket: 'nobody' })
    await assert.rejects(other.list(), {
      code: 'StorageUnreachable',
      message: /s3:\/\/nobody\/x: NoSuchBucket/,
      remedy: /source\.s3\.uri/,
    })
    const credentials = { accessKeyId: server.accessKey, secretAccessKey: 'wrong' }
    const stranger = openPrefix({ ...optionsOf('x'), credentials })
    await assert.rejects(stranger.list(), {
      code: 'StorageUnreachable',
      message: /s3:\/\/data\/x: \w+: these credentials may not read it/,
      remedy: /s3:ListBucket on the bucket data and s3:GetObject/,
    })
  })
})

test('a prefix of more than one page is listed completely', async () => {
  const many = Object.fromEntries(Array.from({ length: 1100 }, (_, i) => [`${i}.txt`, Buffer.from('x')]))
  const store = openS3Store(optionsOf('many'))
  const names = Object.keys(many)
  while (names.length > 0)
    await Promise.all(names.splice(0, 50).map((name) => store.put(name, Buffer.from('x'))))
  await store.close()
  assert.equal((await counting('many').list()).length, 1100)
})

describe('the program', () => {
  const start = (env: Readonly<Record<string, string>>) => {
    const child = spawn(process.execPath, [MAIN], {
      env: { ...startedEnvironment(), ...env },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    const exit = once(child, 'exit').then(([code]) => code as number)
    return { child, exit }
  }
  const environment = () => ({
    FEDSAM_SOURCE_URI: 's3://data/site-a',
    FEDSAM_SOURCE_FOLDER: folder,
    FEDSAM_SOURCE_ENDPOINT: server.endpoint,
    FEDSAM_SOURCE_REGION: 'us-east-1',
    FEDSAM_SOURCE_FORCE_PATH_STYLE: 'true',
    FEDSAM_TERMINATION_LOG: join(dir, 'termination'),
    AWS_ACCESS_KEY_ID: server.accessKey,
    AWS_SECRET_ACCESS_KEY: server.secretKey,
  })

  test('fetches, waits until it is asked to stop, and ends with 143', async () => {
    const { child, exit } = start(environment())
    await until('the program has fetched everything', isComplete)
    await assertHasAll()
    assert.equal(child.exitCode, null)
    child.kill('SIGTERM')
    assert.equal(await exit, 143)
  })

  test('that cannot fetch writes the reason to the termination message', async () => {
    const { exit } = start({ ...environment(), FEDSAM_SOURCE_URI: 's3://data/nothing' })
    assert.equal(await exit, 65)
    const { code, message } = JSON.parse(await readFile(join(dir, 'termination'), 'utf8'))
    assert.deepEqual([code, message], ['BadData', 's3://data/nothing: there is no object under this prefix'])
  })
})
