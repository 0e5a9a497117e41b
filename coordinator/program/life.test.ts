// One life of a program: its calls in their order, and every way in which it can end.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { systemClock } from '#runtime/clock.ts'
import { jumpingClock } from '#test/jumping-clock.ts'
import { type Life, startLife } from './life.ts'

let folder: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fedsam-life-'))
})
after(() => rm(folder, { recursive: true, force: true }))

const START = { type: 'start', seed: '0'.repeat(64), scratch: '/s' } as const

function lifeOf(script: string, clock = systemClock()): { life: Life; log: string[]; notes: unknown[] } {
  const log: string[] = []
  const notes: unknown[] = []
  const command = ['sh', '-c', `read -r start\n${script}`] as const
  const program = { command, env: { PATH: process.env.PATH! }, folder, noProgressSeconds: 600 }
  const life = startLife({ program, clock, log: (line) => log.push(line) }, START, (note) => notes.push(note))
  return { life, log, notes }
}

/** How a life without calls ended. */
async function endOf(script: string): Promise<string> {
  const end = await lifeOf(script).life.next()
  assert.ok(end.kind === 'Failed', end.kind)
  return end.message
}

test('calls come in their order, notes on the way, and all else is the log', async () => {
  const { life, log, notes } = lifeOf(`
    echo '{"type":"ready"}'; echo hello
    echo '{"id":1,"call":"clients"}'; echo '{"id":2,"call":"clients"}'
    read -r answer; echo "$answer"; read -r end || echo over >&2`)
  const calls = [await life.next(), await life.next()]
  assert.deepEqual(
    calls.map((next) => next.kind === 'Call' && next.call.id),
    [1, 2],
  )
  life.answer({ type: 'clients', id: 1, clients: [] })
  await life.leave()
  assert.deepEqual(notes, [{ type: 'ready', compares: false }])
  assert.deepEqual(log, ['hello', '{"type":"clients","id":1,"clients":[]}', 'over'])
})

describe('a life ends', () => {
  test('by a code', async () => {
    assert.match(
      await endOf('echo why >&2; exit 3'),
      /ended with code 3; the last line of its standard error: why$/,
    )
    assert.match(await endOf('exit 0'), /ended with code 0, before its result$/)
  })

  test('by a signal, after which it may start again', async () => {
    const end = await lifeOf('kill -9 $$').life.next()
    assert.deepEqual([end.kind, 'how' in end && /was ended by SIGKILL/.test(end.how)], ['Signal', true])
  })

  test('by its own error, and by a line that cannot be read', async () => {
    assert.match(
      await endOf(`echo '{"type":"error","message":"no app"}'; sleep 100`),
      /reported an error: no app$/,
    )
    assert.match(
      await endOf(`echo '{"id":1,"call":"fold"}'; sleep 100`),
      /a line that cannot be read \(call: /,
    )
  })

  test('by a line without an end', async () => {
    assert.match(await endOf('yes | tr -d "\\n"'), /a line of more than 1048576 bytes/)
  })

  test('by silence, but not while it waits for an answer', async () => {
    const clock = jumpingClock()
    const { life } = lifeOf(`echo '{"id":1,"call":"clients"}'; read -r answer; sleep 1000`, clock)
    assert.equal((await life.next()).kind, 'Call')
    for (let minutes = 0; minutes < 30; minutes += 1) clock.jump(60)
    life.answer({ type: 'clients', id: 1, clients: [] })
    const end = life.next()
    const jumps = setInterval(() => clock.jump(60), 20)
    const ended = await end
    clearInterval(jumps)
    assert.ok(ended.kind === 'Failed')
    assert.match(ended.message, /wrote nothing and used no processor time for 600 s$/)
  })
})
