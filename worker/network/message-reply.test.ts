// Tasks of the kind Message, with a trainer in its own process: what a reply names and signs, which state it continues, which files of a
// trainer are no reply, and that nothing stays of a task that is over.
import assert from 'node:assert/strict'
import { access, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import * as v from 'valibot'
import { decodeJson } from '#protocol/canonical.ts'
import { digestPayload } from '#protocol/digest.ts'
import { type Reply, ReplySchema } from '#protocol/exchange.ts'
import { exchangeKeys, uploadName } from '#protocol/keys.ts'
import type { Granted, Task, Want } from '#protocol/messages.ts'
import { receiptSigner } from '#protocol/receipt-signature.ts'
import { systemClock } from '#runtime/clock.ts'
import { createReusedBuffer } from '#runtime/reused-buffer.ts'
import { createMemoryStore, type MemoryStore } from '#test/given/memory-store.ts'
import { keyNamed } from '#test/given/signed.ts'
import { createGrantedTransfers } from '#transport/grants/transfers.ts'
import { childTrainer } from '../trainer/process-trainer.ts'
import type { Trainer } from '../trainer/seam.ts'
import { RunDeclined } from './declined.ts'
import { doTask, type TaskOptions } from './task.ts'

const TRAINER = fileURLToPath(new URL('../../test/trainers/replies.mjs', import.meta.url))
const NODE = '9223372036854775807'
const clock = systemClock()

let folder: string
let store: MemoryStore
let trainer: Trainer
let options: TaskOptions
let asked: Task

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fedsam-replies-'))
  store = createMemoryStore()
  const log = (): void => {}
  trainer = childTrainer({
    command: [process.execPath, TRAINER],
    env: {},
    cwd: folder,
    noProgressSeconds: 60,
    clock,
    log,
  })
  const grant = async ({ kind, ...want }: Want): Promise<Granted> => {
    if (kind === 'Read') return { kind: 'Grant', grant: await store.grantRead(want.key, 60) }
    if (kind !== 'Write') return { kind: 'Refused', reason: `no ${kind} in this test` }
    return { kind: 'Grant', grant: await store.grantWrite(want.key, want as Want & { kind: 'Write' }, 60) }
  }
  options = {
    ...{
      client: 'a',
      incarnation: 'life',
      prefix: 'fedsam.test.run-uid',
      key: keyNamed('a'),
      dataset: 'data',
    },
    ...{ trainer, clock, log, transfers: createGrantedTransfers({ memory: store }) },
    ...{ folder: join(folder, 'models'), scratch: folder, states: join(folder, 'states') },
    ask: async (wants) => Promise.all(wants.map(grant)),
    unsent: { outcome: null, buffer: createReusedBuffer(), line: { needsPieces: false } },
    signal: new AbortController().signal,
    task: () => asked,
  }
})
afterEach(async () => {
  await trainer.close()
  await rm(folder, { recursive: true, force: true })
})

interface Sent {
  readonly exchange?: number
  readonly place?: number
  readonly text?: string
  readonly last?: NonNullable<Task['state']>['last']
}

/** The client's task for one message, whose content the store has. */
async function messageOf(kind: string, { exchange = 1, place = 0, text = 'hello', last = null }: Sent = {}) {
  const bytes = new TextEncoder().encode(text)
  const digest = digestPayload(bytes)
  const key = exchangeKeys(exchange).content(digest.sha256)
  await store.put(key, bytes)
  const task: Task = {
    ...{ kind: 'Message', round: exchange, attempt: place + 1, epoch: 1, evaluate: false, config: {} },
    base: { key, ...digest },
    seed: '5'.repeat(64),
    message: { kind, group: 'g', node: NODE },
    state: { place: 'Record', maxBytes: 1000, last },
  }
  return task
}

/** Does the task, and reads the marker that it left. */
async function reply(kind: string, sent: Sent = {}): Promise<Reply> {
  asked = await messageOf(kind, sent)
  await doTask(options)
  return markerOf(sent)
}

async function markerOf({ exchange = 1, place = 0 }: Sent): Promise<Reply> {
  const bytes = await store.get(exchangeKeys(exchange).reply('a', place))
  return v.parse(ReplySchema, decodeJson(bytes!))
}

const textAt = async (key: string): Promise<string> => new TextDecoder().decode(await store.get(key))

/** Names of what is left in the worker's folder beside its caches. */
const left = async (): Promise<string[]> =>
  (await readdir(folder)).filter((name) => !['models', 'states'].includes(name))

test('a reply names its message and bytes, and its signature covers the run and every field', async () => {
  const found = await reply('echo', { exchange: 3, place: 2, text: 'some bytes' })
  const { key, signature, ...fields } = found
  const digest = digestPayload(new TextEncoder().encode('some bytes'))
  const state = digestPayload(new TextEncoder().encode('state after echo'))
  assert.deepEqual(fields, {
    ...{
      schema: 'fedsam.reply/1',
      client: 'a',
      exchange: 3,
      message: 2,
      incarnation: 'life',
      dataset: 'data',
    },
    content: digest.sha256,
    reply: { kind: 'Content', upload: uploadName(1), ...digest },
    state: { ...state, upload: uploadName(1) },
    stateBase: null,
  })
  const keys = exchangeKeys(3)
  assert.equal(await textAt(keys.payload('a', 2, uploadName(1))), 'some bytes')
  assert.equal(await textAt(keys.clientState('a', 2, uploadName(1))), 'state after echo')
  const bytes = (await store.get(keys.reply('a', 2)))!
  assert.deepEqual(receiptSigner(bytes, 'run-uid'), { kind: 'Signed', key: keyNamed('a').publicKey })
  assert.equal(receiptSigner(bytes, 'other').kind, 'Wrong')
  for (const [name, value] of Object.entries(fields)) {
    const other = typeof value === 'number' ? value + 1 : value === null ? 'ab'.repeat(32) : null
    const changed = new TextEncoder().encode(
      JSON.stringify({ ...(decodeJson(bytes) as object), [name]: other }),
    )
    assert.equal(receiptSigner(changed, 'run-uid').kind, 'Wrong', name)
  }
  assert.deepEqual(await left(), [])
})

test('the trainer gets the kind, the group and the node of the message', async () => {
  await reply('names')
  assert.deepEqual(JSON.parse(await textAt(exchangeKeys(1).payload('a', 0, uploadName(1)))), {
    ...{ kind: 'names', group: 'g', node: NODE },
  })
})

test('a reply continues the state of its task: a new one, the same one, or none', async () => {
  const { state } = await reply('echo')
  const last = { ...state!, dataset: 'data', key: exchangeKeys(1).clientState('a', 0, state!.upload!) }
  const again = await reply('echo', { exchange: 2, last })
  assert.deepEqual([again.stateBase, again.state], [state!.sha256, { ...state!, upload: null, blocks: [] }])
  const kept = await reply('stateless', { exchange: 3, last })
  assert.deepEqual([kept.stateBase, kept.state?.sha256], [state!.sha256, state!.sha256])
  const other = await reply('names', { exchange: 4, last })
  assert.equal(other.stateBase, state!.sha256)
  assert.notEqual(other.state?.sha256, state!.sha256)
  assert.deepEqual(await left(), [], 'a state that the call wrote and did not answer is deleted')
})

test('an error is a reply, with its state, without bytes, and with a reason that the record can hold', async () => {
  const { reply: found, state } = await reply('error')
  assert.deepEqual(found, { kind: 'Error', code: 6, reason: `${'x'.repeat(2046)}…` })
  assert.equal(state?.sha256, digestPayload(new TextEncoder().encode('state after error')).sha256)
  assert.equal(await store.size(exchangeKeys(1).payload('a', 0, uploadName(1))), undefined)
  assert.deepEqual(await left(), [], 'the output is deleted')
})

test('an empty file is a reply', async () => {
  const { reply: found } = await reply('empty')
  assert.deepEqual(found, { kind: 'Content', upload: uploadName(1), ...digestPayload(new Uint8Array()) })
})

const FAILURES: readonly (readonly [kind: string, says: RegExp])[] = [
  ['link', /the trainer's reply cannot be used: .* is a link/],
  ['hardLink', /the trainer's reply cannot be used: .* is a hard link/],
  ['folder', /the trainer's reply cannot be used: .* is a folder/],
  ['large', /has 68719476737 bytes; the limit is 68719476736 bytes/],
  ['nothing', /replied, and wrote no file/],
  ['fails', /it has no answer/],
  ['ends', /trainer .*(ended|exit|code) /],
]

for (const [kind, message] of FAILURES) {
  test(`${kind}: a failure, without a reply and a file, and the next message is answered`, async () => {
    asked = await messageOf(kind)
    await assert.rejects(doTask(options), { code: 'TrainerFailed', message })
    assert.equal(await store.size(exchangeKeys(1).reply('a', 0)), undefined)
    assert.deepEqual(await left(), [])
    assert.equal((await reply('echo', { exchange: 2 })).reply.kind, 'Content')
  })
}

test('the same task asked again leaves the same bytes; another place is another message', async () => {
  const first = await reply('echo')
  assert.deepEqual(await reply('echo', { place: 1 }), {
    ...first,
    message: 1,
    signature: (await markerOf({ place: 1 })).signature,
  })
  const bytes = await store.get(exchangeKeys(1).reply('a', 0))
  asked = await messageOf('echo')
  await doTask(options)
  assert.deepEqual(await store.get(exchangeKeys(1).reply('a', 0)), bytes)
})

test('the contents of the last two messages stay, and the one at hand is there while the trainer reads it', async () => {
  for (const exchange of [1, 2, 3, 4]) await reply('echo', { exchange, text: `content ${exchange}` })
  const names = [3, 4].map((n) => `${digestPayload(new TextEncoder().encode(`content ${n}`)).sha256}.records`)
  assert.deepEqual((await readdir(options.folder)).sort(), names.sort())
  // An old content is sent once more: it is in use, though the newest files are others.
  await reply('echo', { exchange: 5, text: 'content 3' })
  await access(join(options.folder, names.find((name) => name.startsWith(asked.base!.sha256))!))
})

test('nothing of a message that a site does not admit is fetched, and its trainer is not called', async () => {
  asked = await messageOf('echo')
  const wants: Want[] = []
  const refusing: TaskOptions = {
    ...options,
    async admit() {
      throw new RunDeclined('a site takes part in rounds alone')
    },
    async ask(asked) {
      wants.push(...asked)
      return options.ask(asked)
    },
  }
  await assert.rejects(doTask(refusing), RunDeclined)
  assert.deepEqual([wants, await readdir(folder)], [[], []])
})
