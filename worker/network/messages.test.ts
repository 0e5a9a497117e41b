// A client's reply to a message: what the trainer is called with, what its reply must be, and what is stored and signed.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { MOST_REPLY_BYTES, type Reply } from '#protocol/exchange.ts'
import { exchangeKeys, uploadName } from '#protocol/keys.ts'
import type { Granted, Task, Want } from '#protocol/messages.ts'
import { receiptSigner } from '#protocol/receipt-signature.ts'
import { readMarker } from '#protocol/record.ts'
import { shortened } from '#protocol/text.ts'
import { systemClock } from '#runtime/clock.ts'
import { createReusedBuffer } from '#runtime/reused-buffer.ts'
import { bytesOf, messageTo } from '#test/given/exchange.ts'
import { createMemoryStore, type MemoryStore } from '#test/given/memory-store.ts'
import { keyNamed } from '#test/given/signed.ts'
import { createGrantedTransfers } from '#transport/grants/transfers.ts'
import type { MessageParameters, Replied, Trainer } from '../trainer/seam.ts'
import { doTask, type TaskOptions } from './task.ts'

const UPLOAD = uploadName(1)
const KEYS = exchangeKeys(5)
const OK: Replied = { error: null, hasState: false }
/** The second message of exchange 5 to client a, at place 3 of the ask. */
const { content: CONTENT } = messageTo('a', 'a question')
const TASK: Task = {
  kind: 'Message',
  round: 5,
  attempt: 4,
  epoch: 1,
  base: { key: KEYS.content(CONTENT.sha256), ...CONTENT },
  evaluate: false,
  config: {},
  seed: '5'.repeat(64),
  message: { kind: 'train.lora', group: '7', node: '9223372036854775807' },
  state: { place: 'Record', maxBytes: 10, last: null },
}

interface Called extends MessageParameters {
  readonly content: string
  readonly output: string
}

let folder: string
let store: MemoryStore
let called: Called[]
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fedsam-messages-'))
  store = createMemoryStore()
  called = []
  await store.put(KEYS.content(CONTENT.sha256), bytesOf('a question'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

async function grant(want: Want): Promise<Granted> {
  if (want.kind === 'Read') return { kind: 'Grant', grant: await store.grantRead(want.key, 60) }
  if (want.kind === 'Write') return { kind: 'Grant', grant: await store.grantWrite(want.key, want, 60) }
  return { kind: 'Refused', reason: 'not in this test' }
}

type Answer = (call: Called) => Promise<Replied>

function optionsFor(answer: Answer, change: Partial<TaskOptions> = {}): TaskOptions {
  const message: Trainer['message'] = async (content, output, parameters) => {
    const call = { ...parameters, content, output }
    called.push(call)
    return answer(call)
  }
  return {
    ...{ client: 'a', incarnation: 'life', prefix: 'run', key: keyNamed('a') },
    ...{ clock: systemClock(), log: () => {}, signal: new AbortController().signal },
    transfers: createGrantedTransfers({ memory: store }),
    trainer: { message } as Trainer,
    ask: (wants) => Promise.all(wants.map(grant)),
    unsent: { outcome: null, buffer: createReusedBuffer() },
    task: () => TASK,
    dataset: 'the data',
    folder: join(folder, 'models'),
    scratch: folder,
    states: join(folder, 'states'),
    ...change,
  } as TaskOptions
}

async function storedReply(): Promise<Reply> {
  const key = KEYS.reply('a', 3)
  const bytes = (await store.get(key)) ?? assert.fail('no reply')
  assert.deepEqual(receiptSigner(bytes, 'run'), { kind: 'Signed', key: keyNamed('a').publicKey })
  return readMarker('reply', key, bytes)
}

const says =
  (text: string, state?: string): Answer =>
  async (call) => {
    await writeFile(call.output, text)
    if (state !== undefined) await writeFile(call.state!.output, state)
    return { error: null, hasState: state !== undefined }
  }

test('the trainer gets content, kind, group and node; its bytes and the signed marker are stored under their names', async () => {
  await doTask(
    optionsFor(async (call) => {
      assert.equal(await readFile(call.content, 'utf8'), 'a question')
      return says('an answer')(call)
    }),
  )
  const [{ kind, group, node, state }] = called as [Called]
  assert.deepEqual([kind, group, node, state?.input], ['train.lora', '7', '9223372036854775807', null])
  assert.deepEqual(await store.get(KEYS.payload('a', 3, UPLOAD)), bytesOf('an answer'))
  const { key: _, signature: __, ...reply } = await storedReply()
  assert.deepEqual(reply, {
    schema: 'fedsam.reply/1',
    client: 'a',
    exchange: 5,
    message: 3,
    content: CONTENT.sha256,
    incarnation: 'life',
    reply: { kind: 'Content', upload: UPLOAD, ...messageTo('a', 'an answer').content },
    dataset: 'the data',
    state: null,
    stateBase: null,
  })
})

test('a reply may have no bytes', async () => {
  await doTask(optionsFor(says('')))
  const { reply } = await storedReply()
  assert.ok(reply.kind === 'Content' && reply.size === 0)
})

test('an error is a reply without bytes, and a file beside it is deleted', async () => {
  const error = { code: 6, reason: `a mod refused it: ${'x'.repeat(4000)}` }
  await doTask(
    optionsFor(async (call) => {
      await says('half an answer')(call)
      return { error, hasState: false }
    }),
  )
  const { reply } = await storedReply()
  assert.deepEqual(reply, { kind: 'Error', code: 6, reason: shortened(error.reason, 2048) })
  assert.equal(await store.size(KEYS.payload('a', 3, UPLOAD)), undefined)
  assert.deepEqual(await readdir(folder), ['models'])
})

describe('a state', () => {
  test('goes on from the last one, and the marker names both', async () => {
    const last = messageTo('a', 'old').content
    const key = exchangeKeys(4).clientState('a', 0, UPLOAD)
    await store.put(key, bytesOf('old'))
    const task = { ...TASK, state: { ...TASK.state!, last: { ...last, dataset: 'the data', key } } }
    await doTask(
      optionsFor(
        async (call) => {
          assert.equal(await readFile(call.state!.input!, 'utf8'), 'old')
          return says('an answer', 'new')(call)
        },
        { task: () => task },
      ),
    )
    const { state, stateBase } = await storedReply()
    assert.deepEqual([state!.sha256, stateBase], [messageTo('a', 'new').content.sha256, last.sha256])
    assert.deepEqual(await store.get(KEYS.clientState('a', 3, UPLOAD)), bytesOf('new'))
  })

  test('comes with an error, too: the client may have learned before it failed', async () => {
    await doTask(
      optionsFor(async (call) => {
        await writeFile(call.state!.output, 'new')
        return { error: { code: 1, reason: '' }, hasState: true }
      }),
    )
    assert.equal((await storedReply()).state!.size, 3)
  })
})

describe('a trainer fails that replies', () => {
  const wrong: readonly (readonly [what: string, leave: (path: string) => unknown, says: RegExp])[] = [
    ['without a file', () => {}, /replied, and wrote no file/],
    ['with a link', (path) => symlink('/etc/hostname', path), /is a link/],
    ['with a folder', (path) => mkdir(path), /is a folder/],
    ['with a FIFO', (path) => execFileSync('mkfifo', [path]), /FIFO|no regular file/],
    [
      'with more bytes than a reply has',
      async (path) => {
        await writeFile(path, '')
        await truncate(path, MOST_REPLY_BYTES + 1)
      },
      /the limit is/,
    ],
  ]
  for (const [what, leave, message] of wrong)
    test(`${what}, and nothing is stored`, async () => {
      const answer: Answer = async ({ output }) => {
        await leave(output)
        return OK
      }
      await assert.rejects(doTask(optionsFor(answer)), { code: 'TrainerFailed', message })
      assert.deepEqual(await store.list(KEYS.replies), [])
      assert.deepEqual(await readdir(folder), ['models'])
    })

  test('with the file of an earlier call: it was deleted before this one', async () => {
    await writeFile(join(folder, 'update-5.safetensors'), 'of an earlier life')
    await assert.rejects(doTask(optionsFor(async () => OK)), { code: 'TrainerFailed', message: /no file/ })
  })
})

describe('the same message', () => {
  test('of a coordinator that started again is answered by the same work', async () => {
    const unsent: TaskOptions['unsent'] = optionsFor(says('')).unsent
    const first = optionsFor(says('an answer'), { unsent, ask: readsOnly })
    await assert.rejects(doTask(first), /nobody is there/)
    await doTask(optionsFor(says('another answer'), { unsent, task: () => ({ ...TASK, epoch: 2 }) }))
    assert.equal(called.length, 1)
    assert.deepEqual(await store.get(KEYS.payload('a', 3, UPLOAD)), bytesOf('an answer'))
  })

  test('as another message of the exchange, or in another exchange, is answered by work of its own', async () => {
    const { unsent } = optionsFor(says(''))
    for (const change of [{}, { attempt: 5 }, { round: 6 }]) {
      const task = { ...TASK, ...change }
      const options = optionsFor(says('an answer'), { unsent, ask: readsOnly, task: () => task })
      await assert.rejects(doTask(options), /nobody is there/)
    }
    assert.equal(called.length, 3)
  })
})

const readsOnly: TaskOptions['ask'] = async (wants) => {
  if (wants.some(({ kind }) => kind === 'Write')) throw new Error('nobody is there')
  return Promise.all(wants.map(grant))
}

test('a content with other bytes than the task names is no message', async () => {
  await store.delete(KEYS.content(CONTENT.sha256))
  await store.put(KEYS.content(CONTENT.sha256), bytesOf('b question'))
  await assert.rejects(doTask(optionsFor(says(''))), { code: 'RecordDamaged' })
  assert.deepEqual(called, [])
})
