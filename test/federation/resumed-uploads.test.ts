// Uploads that break off: the worker's next life sends only the parts that did not arrive. Over a real S3 server and over a folder,
// with the coordinator's own grants, and with counted bytes.
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { startS3 } from '#cli/run/servers/servers.ts'
import { createAttemptUploads } from '#coordinator/clients/attempt-uploads.ts'
import { createCurrentAttempt, type ServedAttempt } from '#coordinator/clients/current-attempt.ts'
import { answerGrants, type GrantsContext } from '#coordinator/clients/grants.ts'
import { sha256 } from '#protocol/digest.ts'
import { FedsamError } from '#protocol/errors.ts'
import { attemptKeys, pieceKey, uploadName } from '#protocol/keys.ts'
import { type GrantRequest, PART_BYTES, PIECE_BYTES, type Task } from '#protocol/messages.ts'
import { type Receipt, readMarker } from '#protocol/record.ts'
import { CONVERSATION } from '#protocol/version.ts'
import { createNotifier } from '#runtime/notifier.ts'
import { createReusedBuffer } from '#runtime/reused-buffer.ts'
import { createGrantedTransfers } from '#transport/grants/transfers.ts'
import type { Grant, ObjectStore } from '#transport/ports.ts'
import { openFilesystemStore } from '#transport/store/filesystem/store.ts'
import { openS3Store } from '#transport/store/s3/store.ts'
import { NotWanted } from '#worker/network/grants.ts'
import { uploadOutcome } from '#worker/network/upload.ts'
import { openForeign } from '#worker/trainer/foreign-file.ts'
import { bodyOf } from '../conformance/bodies.ts'
import { keyNamed } from '../given/signed.ts'

const SIZE = 3 * PART_BYTES + 1000
const KEYS = attemptKeys(1, 1)
/** Bytes of an update that goes in pieces, and how many they are. */
const PIECED = 5 * PIECE_BYTES + 1000
const PIECES = 6
const PAYLOAD = KEYS.payload('a', uploadName(1))
const TASK = { kind: 'Train', round: 1, attempt: 1, epoch: 1, base: { size: SIZE, sha256: 'a'.repeat(64) } }

interface Opened {
  readonly store: ObjectStore
  readonly folder: string
  close(): Promise<void>
}

async function openS3(): Promise<Opened> {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-resume-'))
  const server = await startS3({ folder: join(folder, 'server'), bucket: 'fedsam' })
  const credentials = { accessKeyId: server.accessKey, secretAccessKey: server.secretKey }
  const store = openS3Store({ bucket: 'fedsam', prefix: 'run', endpoint: server.endpoint, credentials })
  const close = async (): Promise<void> => {
    await store.close()
    await server.stop()
    await rm(folder, { recursive: true })
  }
  return { store, folder, close }
}

async function openFolder(): Promise<Opened> {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-resume-'))
  const store = await openFilesystemStore({ folder: join(folder, 'store') })
  return { store, folder, close: () => rm(folder, { recursive: true }) }
}

/** A coordinator whose attempt is open for `a`; `restarted`: it took the attempt over and remembers nothing. */
function coordinator(store: ObjectStore, restarted: boolean): GrantsContext {
  const base = { round: 0, payload: { key: attemptKeys(0, 1).model, size: SIZE } }
  const plan = { value: { round: 1, attempt: 1, base, cohort: ['a'] } }
  const uploads = createAttemptUploads(store, restarted)
  const attempt = { plan, uploads, until: 1e6, isPending: () => true } as unknown as ServedAttempt
  const current = createCurrentAttempt(createNotifier())
  current.open(attempt)
  return {
    markers: { store, epoch: 1, run: { value: { base: null } } },
    live: () => ({ members: [{ name: 'a', train: true }] }),
    pace: { grantSeconds: 60 },
    clock: { now: () => 0 },
    current,
  } as unknown as GrantsContext
}

/** A line that carries no more than this many bytes in one transfer, and what the worker knows of it. */
interface BadLine {
  readonly most: number
  readonly line: { needsPieces: boolean }
}

/** One life of the worker. It ends before it sends more than `bytes` of parts; resolves to what it sent. */
async function live(
  context: GrantsContext,
  file: string,
  bytes = Number.POSITIVE_INFINITY,
  badLine?: BadLine,
): Promise<number> {
  const transfers = createGrantedTransfers()
  let sent = 0
  const counting = {
    ...transfers,
    async write(grant: Grant, body: Uint8Array, digest?: string) {
      if (badLine !== undefined && body.length > badLine.most)
        throw new FedsamError('StorageUnreachable', 'the line was cut')
      if (sent + body.length > bytes) throw new NotWanted('the worker was killed')
      sent += body.length
      return transfers.write(grant, body, digest)
    },
  }
  const opened = (await openForeign(file, Number.MAX_SAFE_INTEGER, 'the update'))!
  const outcome = {
    update: { file: opened, path: file, numExamples: 1, metrics: {} },
    evaluation: null,
    notEvaluated: null,
    state: null,
  }
  const leaving = uploadOutcome(outcome, {
    task: TASK as unknown as Task,
    client: 'a',
    incarnation: crypto.randomUUID(),
    states: '',
    prefix: 'run',
    key: keyNamed('a'),
    dataset: '',
    ...(badLine === undefined ? {} : { line: badLine.line }),
    stored: new Set<string>(),
    async ask(wants) {
      const request: GrantRequest = {
        kind: 'grant',
        version: CONVERSATION,
        client: 'a',
        incarnation: 'i',
        wants: [...wants],
      }
      return ((await answerGrants(context, request)) as { granted: never[] }).granted
    },
    transfers: counting,
    buffer: createReusedBuffer(),
    signal: new AbortController().signal,
  })
  if (bytes === Number.POSITIVE_INFINITY) await leaving
  else await assert.rejects(leaving, { message: 'the worker was killed' })
  await opened.close()
  return sent
}

async function receiptIn(store: ObjectStore): Promise<Receipt> {
  const key = KEYS.receipt('a')
  return readMarker('receipt', key, (await store.get(key))!)
}

for (const [name, open] of [
  ['S3', openS3],
  ['a folder', openFolder],
] as const) {
  describe(`an upload to ${name} that broke off`, () => {
    for (const restarted of [false, true]) {
      const after = restarted ? ', although the coordinator restarted too' : ''
      test(`resumes with the parts that did not arrive${after}`, async () => {
        const { store, folder, close } = await open()
        try {
          const body = bodyOf(SIZE)
          const file = join(folder, 'update.safetensors')
          await writeFile(file, body)
          const before = coordinator(store, false)
          assert.equal(await live(before, file, 2 * PART_BYTES), 2 * PART_BYTES)
          const sent = await live(restarted ? coordinator(store, true) : before, file)
          const receipt = (await store.size(KEYS.receipt('a')))!
          assert.equal(sent, SIZE - 2 * PART_BYTES + receipt)
          const { update } = await receiptIn(store)
          assert.equal(update?.upload, uploadName(1))
          assert.equal(update?.sha256, sha256(body))
          assert.equal(sha256((await store.get(KEYS.payload('a', uploadName(1))))!), sha256(body))
          assert.deepEqual(await store.openUploads(KEYS.updates), [])
        } finally {
          await close()
        }
      })
    }

    test('by a life that trained something shorter: only what is the same is kept', async () => {
      const { store, folder, close } = await open()
      try {
        const first = bodyOf(SIZE)
        const second = new Uint8Array(first.subarray(0, 2 * PART_BYTES + 500))
        second[PART_BYTES] = first[PART_BYTES]! ^ 1
        const context = coordinator(store, false)
        const file = join(folder, 'update.safetensors')
        await writeFile(file, first)
        await live(context, file, 3 * PART_BYTES)
        await writeFile(file, second)
        const sent = await live(context, file)
        const receipt = (await store.size(KEYS.receipt('a')))!
        assert.equal(sent, PART_BYTES + 500 + receipt)
        assert.equal(sha256((await store.get(KEYS.payload('a', uploadName(1))))!), sha256(second))
      } finally {
        await close()
      }
    })
  })
}

test('a payload that an earlier life stored keeps its name; the next life takes another', async () => {
  const { store, folder, close } = await openFolder()
  try {
    const context = coordinator(store, false)
    const file = join(folder, 'update.safetensors')
    await writeFile(file, bodyOf(1000, 1))
    await live(context, file, 1000)
    await writeFile(file, bodyOf(1000, 2))
    await live(context, file)
    const { update } = await receiptIn(store)
    assert.equal(update?.upload, uploadName(2))
    assert.equal(update?.sha256, sha256(bodyOf(1000, 2)))
  } finally {
    await close()
  }
})

const noPieceIn = async (store: ObjectStore): Promise<void> => {
  for (let piece = 0; piece < PIECES; piece += 1)
    assert.equal(await store.size(pieceKey(PAYLOAD, piece)), undefined)
}

for (const [name, open] of [
  ['S3', openS3],
  ['a folder', openFolder],
] as const)
  for (const size of [PIECED, SIZE])
    test(`an update of ${size} bytes over a line that carries a piece at a time, to ${name}: each piece is sent once`, async () => {
      const { store, folder, close } = await open()
      try {
        const body = bodyOf(size)
        const file = join(folder, 'update.safetensors')
        await writeFile(file, body)
        const line = { needsPieces: false }
        const bad = { most: PIECE_BYTES, line }
        assert.equal(await live(coordinator(store, false), file, 3 * PIECE_BYTES, bad), 3 * PIECE_BYTES)
        assert.equal(line.needsPieces, true)
        const sent = await live(coordinator(store, true), file, undefined, bad)
        const receipt = (await store.size(KEYS.receipt('a')))!
        assert.equal(sent, size - 3 * PIECE_BYTES + receipt)
        assert.equal((await receiptIn(store)).update?.sha256, sha256(body))
        assert.equal(sha256((await store.get(PAYLOAD))!), sha256(body))
        await noPieceIn(store)
      } finally {
        await close()
      }
    })

test('pieces of an earlier life that trained another update are sent again', async () => {
  const { store, folder, close } = await openFolder()
  try {
    const context = coordinator(store, false)
    const file = join(folder, 'update.safetensors')
    const bad = { most: PIECE_BYTES, line: { needsPieces: true } }
    await writeFile(file, bodyOf(PIECED, 1))
    await live(context, file, 3 * PIECE_BYTES, bad)
    await writeFile(file, bodyOf(PIECED, 2))
    await live(context, file, undefined, bad)
    assert.equal(sha256((await store.get(PAYLOAD))!), sha256(bodyOf(PIECED, 2)))
    await noPieceIn(store)
  } finally {
    await close()
  }
})

test('a client that lost the answer to its last piece gets the same one; another payload finds the name taken', async () => {
  const { store, folder, close } = await openFolder()
  try {
    const context = coordinator(store, false)
    const file = join(folder, 'update.safetensors')
    const body = bodyOf(PIECED)
    await writeFile(file, body)
    await live(context, file, undefined, { most: PIECE_BYTES, line: { needsPieces: true } })
    const whole = { kind: 'Join', key: PAYLOAD, size: PIECED } as const
    const wants = [sha256(body), 'b'.repeat(64)].map((digest) => ({ ...whole, sha256: digest }))
    const { granted } = (await answerGrants(context, {
      kind: 'grant',
      client: 'a',
      incarnation: 'i',
      wants,
    })) as {
      granted: object[]
    }
    assert.deepEqual(granted, [
      { kind: 'Completed', written: 'Created' },
      { kind: 'Completed', written: 'Exists' },
    ])
  } finally {
    await close()
  }
})
