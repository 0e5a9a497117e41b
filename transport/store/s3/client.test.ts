// How a bucket is addressed, by the settings that the AWS tools read, against a server that records its requests.
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import { HeadObjectCommand } from '@aws-sdk/client-s3'
import { openBucket, type S3Options } from './client.ts'

const saved = { ...process.env }
const KEYS = 'aws_access_key_id = k\naws_secret_access_key = s\n'
let folder: string
let server: Server
/** "host path", and the address as a proxy gets it. */
let asked: string[]
let address: string

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fedsam-aws-'))
  server = createServer((request, response) => {
    const region = /\/([\w-]+)\/s3\/aws4_request/.exec(request.headers.authorization ?? '')?.[1]
    asked.push(`${request.url} ${region}`)
    response.writeHead(404).end()
  })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  address = `http://localhost:${(server.address() as AddressInfo).port}`
})
beforeEach(() => {
  asked = []
  for (const name of Object.keys(process.env)) if (/^AWS_|proxy/i.test(name)) delete process.env[name]
  Object.assign(process.env, {
    AWS_ACCESS_KEY_ID: 'k',
    AWS_SECRET_ACCESS_KEY: 's',
    AWS_EC2_METADATA_DISABLED: 'true',
  })
  Object.assign(process.env, {
    AWS_CONFIG_FILE: join(folder, 'none'),
    AWS_SHARED_CREDENTIALS_FILE: join(folder, 'none'),
  })
})
after(async () => {
  for (const name of Object.keys(process.env)) if (!(name in saved)) delete process.env[name]
  Object.assign(process.env, saved)
  server.closeAllConnections()
  server.close()
  await rm(folder, { recursive: true, force: true })
})

async function head(options: Partial<S3Options> = {}): Promise<string[]> {
  const bucket = openBucket({ bucket: 'bkt', prefix: 'p', attempts: 1, ...options })
  await bucket.client.send(new HeadObjectCommand(bucket.at('a'))).catch(() => undefined)
  bucket.client.destroy()
  return asked
}

test('a client that requires TLS sends nothing to a service without, wherever its address comes from', async () => {
  const ask = async (options: Partial<S3Options>): Promise<unknown> => {
    const bucket = openBucket({ bucket: 'bkt', prefix: 'p', attempts: 1, requireTls: true, ...options })
    const failed = bucket.client.send(new HeadObjectCommand(bucket.at('a'))).then(
      () => undefined,
      (error: unknown) => error,
    )
    return failed.finally(() => bucket.client.destroy())
  }
  for (const source of ['option', 'variable'] as const) {
    if (source === 'variable') process.env.AWS_ENDPOINT_URL_S3 = address
    const error = await ask(source === 'option' ? { endpoint: address } : {})
    assert.match(String(error), /^FedsamError: http:\/\/localhost:\d+ has no TLS/, source)
  }
  assert.deepEqual(asked, [])
})

async function profile(name: string, text: string): Promise<void> {
  const file = join(folder, name)
  await writeFile(file, text)
  delete process.env.AWS_ACCESS_KEY_ID
  Object.assign(process.env, { AWS_CONFIG_FILE: file, AWS_PROFILE: 'lab' })
}

test('an endpoint in a variable gets the bucket in the path, in us-east-1 where no setting names a region', async () => {
  process.env.AWS_ENDPOINT_URL = address
  assert.deepEqual(await head(), ['/bkt/p/a us-east-1'])
  process.env.AWS_ENDPOINT_URL = 'http://127.0.0.1:1'
  process.env.AWS_ENDPOINT_URL_S3 = address
  process.env.AWS_REGION = 'eu-central-1'
  assert.deepEqual((await head()).at(-1), '/bkt/p/a eu-central-1')
})

test('an endpoint in a profile, or in its services, gets the bucket in the path', async () => {
  await profile('endpoint', `[profile lab]\n${KEYS}region = eu-west-1\nendpoint_url = ${address}\n`)
  assert.deepEqual(await head(), ['/bkt/p/a eu-west-1'])
  await profile(
    'services',
    `[profile lab]\n${KEYS}services = here\n[services here]\ns3 =\n  endpoint_url = ${address}/base\n`,
  )
  assert.deepEqual((await head()).at(-1), '/base/bkt/p/a us-east-1')
})

test("the job's endpoint comes before the environment's; its own wish for the host name counts", async () => {
  process.env.AWS_ENDPOINT_URL = 'http://127.0.0.1:1'
  assert.deepEqual(await head({ endpoint: address }), ['/bkt/p/a us-east-1'])
  const env = { HTTP_PROXY: address }
  await head({ endpoint: 'http://minio.example', forcePathStyle: false, env })
  assert.equal(asked.at(-1), 'http://bkt.minio.example/p/a us-east-1')
})

test("AWS' own endpoint keeps the bucket in the host name, and the proxy is asked for it", async () => {
  // A proxy gets the whole address of a plain request.
  const env = { HTTP_PROXY: address }
  const aws = 'http://s3.eu-central-1.amazonaws.com'
  assert.deepEqual(await head({ endpoint: aws, region: 'eu-central-1', env }), [
    'http://bkt.s3.eu-central-1.amazonaws.com/p/a eu-central-1',
  ])
  const minio = 'http://minio.example:9000'
  assert.deepEqual((await head({ endpoint: minio, env })).at(-1), `${minio}/bkt/p/a us-east-1`)
  const count = asked.length
  await head({ endpoint: 'http://minio.invalid:9000', env: { ...env, NO_PROXY: 'invalid:9000' } })
  assert.equal(asked.length, count)
})
