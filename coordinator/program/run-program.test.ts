// A program's run with scripted clients: its exchanges and its result; lives that signals and errors end; replies that a later life gets from
// the record; and every way in which a later life may differ from an earlier one.
import assert from 'node:assert/strict'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { encodeJson } from '#protocol/canonical.ts'
import { sha256 } from '#protocol/digest.ts'
import type { RunEvent } from '#protocol/events.ts'
import { createMemoryStore } from '#test/given/memory-store.ts'
import { newFolder, notesOf, runScripted, type ScriptedRun } from '#test/programs/scripted.ts'
import type { ObjectStore } from '#transport/ports.ts'

let folder: string
beforeEach(async () => {
  folder = await newFolder()
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const textOf = async (store: ObjectStore, key: string): Promise<string> =>
  new TextDecoder().decode((await store.get(key))!)
const livesOf = async (): Promise<string[]> =>
  (await readFile(notesOf(folder), 'utf8'))
    .trim()
    .split('\n')
    .map((line) => line.replace(/, process \d+$/, ''))
const named = (events: readonly RunEvent[]): string[] => events.map(({ event }) => event)

/** The output of a run that nothing disturbed. */
async function undisturbed(): Promise<{ model: string; metrics: string }> {
  const store = createMemoryStore()
  const own = await newFolder()
  await runScripted({ store, folder: own })
  await rm(own, { recursive: true, force: true })
  return outputOf(store)
}

async function outputOf(store: ObjectStore): Promise<{ model: string; metrics: string }> {
  const model = sha256((await store.get('output/model.safetensors'))!)
  return { model, metrics: await textOf(store, 'output/metrics.json') }
}

test('three exchanges, a model, a metric and a file', async () => {
  const store = createMemoryStore()
  const { events, log } = await runScripted({ store, folder })
  assert.equal(await textOf(store, 'output/history.txt'), '4\n')
  assert.match(await textOf(store, 'output/metrics.json'), /"metrics":\{"mean":4\}/)
  assert.deepEqual(named(events).filter((event) => event === 'ExchangeCompleted').length, 3)
  assert.ok(log.includes('a line of its log, with the seed 64'))
  const ask = JSON.parse(await textOf(store, 'exchanges/2/ask.json'))
  assert.deepEqual(
    ask.messages.map(({ client, number, group }: Record<string, unknown>) => [client, number, group]),
    [
      ['a', 1, '2'],
      ['b', 1, '2'],
      ['c', 1, '2'],
    ],
  )
  assert.equal(ask.previous, sha256((await store.get('exchanges/1/decision.json'))!))
  assert.equal(ask.lists[0].times, 1)
  assert.equal(
    new Set(ask.messages.map(({ content }: { content: { sha256: string } }) => content.sha256)).size,
    1,
  )
})

describe('a program that a signal ends', () => {
  test('starts again from its beginning in an empty folder, and comes to the same model', async () => {
    const store = createMemoryStore()
    const { events } = await runScripted({ store, folder, flaw: 'dies' })
    assert.deepEqual(await livesOf(), ['life 1, empty', 'life 2, empty', 'life 3, empty'])
    assert.deepEqual(await outputOf(store), await undisturbed())
    const starts = events.filter((event) => event.event === 'ProgramStarted')
    assert.deepEqual(
      starts.map(({ life, recorded }) => [life, recorded]),
      [
        [1, 0],
        [2, 1],
        [3, 1],
      ],
    )
    assert.match(starts[1]!.why, /was ended by SIGKILL/)
  })

  test('starts at most as often as the job allows without a new exchange', async () => {
    const store = createMemoryStore()
    const run = runScripted({ store, folder, flaw: 'always-dies', restarts: 2 })
    await assert.rejects(run, { code: 'RunFailed', reason: 'ProgramFailed', message: /SIGKILL.*3 times/ })
    assert.equal((await livesOf()).length, 3)
  })
})

test('a coordinator that is asked to stop ends its program, and its successor comes to the same model', async () => {
  const store = createMemoryStore()
  const stop = new AbortController()
  const onEvent = ({ event }: RunEvent): void => {
    if (event === 'ExchangeCompleted') stop.abort()
  }
  await assert.rejects(runScripted({ store, folder, signal: stop.signal, onEvent }), { code: 'Interrupted' })
  await runScripted({ store, folder })
  assert.deepEqual(await outputOf(store), await undisturbed())
})

test('a coordinator cleans the last exchange of the one before it, once, and no exchange of its own', async () => {
  const store = createMemoryStore()
  const cleaned: number[] = []
  const change: ScriptedRun['change'] = (context) => ({
    ...context,
    cleanDecided: async ({ exchange }) => void cleaned.push(exchange),
  })
  const stop = new AbortController()
  let completed = 0
  const onEvent = ({ event }: RunEvent): void => {
    if (event === 'ExchangeCompleted' && ++completed === 2) stop.abort()
  }
  const first = runScripted({ store, folder, signal: stop.signal, onEvent, change })
  await assert.rejects(first, { code: 'Interrupted' })
  assert.deepEqual(cleaned, [])
  // The second coordinator's program has two lives, and both get the two exchanges from the record.
  await runScripted({ store, folder, change, flaw: 'dies-late' })
  assert.equal((await livesOf()).length, 3)
  assert.deepEqual(cleaned, [2])
})

test('a coordinator that finds the ask of another one starts its program again, with what the record has', async () => {
  const memory = createMemoryStore()
  let found = 0
  const store: ObjectStore = {
    ...memory,
    async put(key, body) {
      if (key !== 'exchanges/2/ask.json' || found > 0) return memory.put(key, body)
      found += 1
      const { lists, ...own } = JSON.parse(new TextDecoder().decode(body))
      const earlier = { ...own, epoch: 0, lists: [{ ...lists[0], times: 4 }] }
      await memory.put(key, encodeJson(earlier))
      return 'Exists'
    },
  }
  const { events } = await runScripted({ store, folder, restarts: 0 })
  assert.equal((await livesOf()).length, 2)
  assert.match(
    events.map((event) => (event.event === 'ProgramStarted' ? event.why : '')).join(),
    /another coordinator/,
  )
  assert.deepEqual(await outputOf(store), await undisturbed())
})

test('a program that raises is not started again', async () => {
  const run = runScripted({ store: createMemoryStore(), folder, flaw: 'raises' })
  await assert.rejects(run, { reason: 'ProgramFailed', message: /ended with code 1/ })
  assert.equal((await livesOf()).length, 1)
})

describe('a life that asks something else', () => {
  test('another kind: the failure names exchange, client and both kinds', async () => {
    const run = runScripted({ store: createMemoryStore(), folder, flaw: 'asks-else' })
    await assert.rejects(run, {
      reason: 'ProgramDiffered',
      message: /exchange 2, message 1 to a: its kind was "train" and is "evaluate"/,
    })
  })

  test('another content, because of a random number', async () => {
    const run = runScripted({ store: createMemoryStore(), folder, flaw: 'random' })
    await assert.rejects(run, {
      reason: 'ProgramDiffered',
      message: /exchange 1, message 0 to a: its content had \d+ bytes with SHA-256 \w+ and has/,
    })
  })
})

test('a coordinator whose program has another result than one that ended before it was recorded records its own', async () => {
  const memory = createMemoryStore()
  const store: ObjectStore = {
    ...memory,
    async put(key, body) {
      if (key === 'program/result.json') throw new Error('the machine stops')
      return memory.put(key, body)
    },
  }
  await assert.rejects(runScripted({ store, folder }), /the machine stops/)
  assert.notEqual(await memory.size('program/1/model.safetensors'), undefined)
  // As on another kind of processor: the same messages, and another last bit of the model.
  await runScripted({ store: memory, folder, flaw: 'other-result' })
  assert.match(await textOf(memory, 'output/history.txt'), /^4\.0000/)
})

describe('a life whose contents are others', () => {
  test('by rounding alone: the messages of the record count, and its answers', async () => {
    const store = createMemoryStore()
    const { events } = await runScripted({ store, folder, flaw: 'rounds' })
    assert.deepEqual(
      events.filter(({ event }) => event === 'ReplayRounded'),
      [1, 2].map((exchange) => ({ event: 'ReplayRounded', exchange })),
    )
    const found = events.map(({ event }) => event)
    assert.equal(found.filter((event) => event === 'ExchangeCompleted').length, 3)
    // The replies are those to the messages of the first life, whose numbers were 1e-9 larger than without the flaw.
    assert.ok(Math.abs(Number(await textOf(store, 'output/history.txt')) - 4) < 1e-8)
  })

  test('by more: the failure has the words of the program', async () => {
    await assert.rejects(runScripted({ store: createMemoryStore(), folder, flaw: 'rounds-far' }), {
      reason: 'ProgramDiffered',
      message: /asked something else: exchange 1, message 0 to b: it is another number/,
    })
  })
})

test('a program that ends while its clients work fails the run at once', async () => {
  const change: ScriptedRun['change'] = (context) => ({
    ...context,
    runExchange: () => new Promise(() => {}),
    program: { ...context.program, command: ['sh', '-c', LEAVES], env: { PATH: process.env.PATH! } },
  })
  const run = runScripted({ store: createMemoryStore(), folder, change })
  await assert.rejects(run, { reason: 'ProgramFailed', message: /ended with code 4/ })
})

test('messages that no marker can hold are refused before anything is written', async () => {
  const store = createMemoryStore()
  const change: ScriptedRun['change'] = (context) => ({
    ...context,
    program: { ...context.program, command: [process.execPath, '-e', FLOOD], env: {} },
  })
  const run = runScripted({ store, folder, change })
  await assert.rejects(run, {
    reason: 'ProgramFailed',
    message: /cannot hold these messages in one exchange/,
  })
  assert.deepEqual(
    (await store.list(''))!.filter((key) => key.startsWith('exchanges/')),
    [],
  )
})

/** A program that sends a content of a hundred blocks ten thousand times, and repeats the coordinator's answer as its error. */
const FLOOD = `
const { truncateSync, writeFileSync } = require('node:fs')
writeFileSync('content', '')
truncateSync('content', 100 * 4 * 2 ** 20)
const messages = Array.from({ length: 10_000 }, () => ({ client: 'a', kind: 'train', content: 'content' }))
writeFileSync('list', JSON.stringify({ messages }))
console.log(JSON.stringify({ id: 1, call: 'exchange', messages: 'list' }))
require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
  const { type, message } = JSON.parse(line)
  if (type !== 'error') return
  console.error(message)
  process.exit(1)
})
`

/** A program that sends one message and ends. */
const LEAVES = `
read -r start
echo 1 > number
echo '{"messages":[{"client":"a","kind":"train","content":"number"}]}' > list
echo '{"id":1,"call":"exchange","messages":"list"}'
exit 4
`

test('a file outside of the working folder is refused, also behind a link', async () => {
  const outside = join(folder, 'outside')
  await writeFile(outside, 'a secret')
  const change: ScriptedRun['change'] = (context) => ({
    ...context,
    program: {
      ...context.program,
      command: ['sh', '-c', PROBE(outside)],
      env: { PATH: process.env.PATH! },
    },
  })
  const run = runScripted({ store: createMemoryStore(), folder, change })
  await assert.rejects(run, { reason: 'ProgramFailed', message: /not in the program's working folder/ })
})

/** A program that names a link to a file outside of its folder, and repeats the coordinator's answer as its error. */
const PROBE = (outside: string): string => `
read -r start
ln -s '${outside}' link
printf '{"id":1,"call":"result","model":null,"metrics":{},"files":["link"]}\\n'
read -r answer
printf '%s\\n' "$answer" >&2
exit 1
`
