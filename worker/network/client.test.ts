// How a client reacts to answers; the test plays the coordinator.
import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { digestPayload } from '#protocol/digest.ts'
import type { NextAnswer, NextRequest, Task } from '#protocol/messages.ts'
import { type Clock, systemClock } from '#runtime/clock.ts'
import { createMemoryStore } from '#test/given/memory-store.ts'
import { playCoordinator, type Script, signing } from '#test/given/signed.ts'
import { inProcessTrainer } from '#test/trainers/in-process.ts'
import { quadraticWork } from '#test/trainers/quadratic.ts'
import { until } from '#test/until.ts'
import { createInProcessBus } from '#transport/bus/in-process/bus.ts'
import { createGrantedTransfers } from '#transport/grants/transfers.ts'
import { type MessageBus, NoAnswer } from '#transport/ports.ts'
import type { Trainer } from '../trainer/seam.ts'
import { serveRun } from './client.ts'
import { RunDeclined } from './declined.ts'
import type { WorkerOptions } from './options.ts'

let folder: string
let bus: MessageBus
let said: NextRequest[]
/** The coordinators that these requests were for. */
let asked: number[]
let stop: AbortController

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fedsam-worker-'))
  bus = createInProcessBus()
  said = []
  asked = []
  stop = new AbortController()
})
afterEach(async () => {
  stop.abort()
  await bus.close()
  await rm(folder, { recursive: true, force: true })
})

/** Plays a coordinator: answers each `next` with the result of the script, and refuses all grants. */
async function play(
  script: (request: NextRequest) => NextAnswer | Promise<NextAnswer>,
  epoch = 1,
): Promise<void> {
  const answer: Script = async (request, signed) => {
    if (request.kind === 'next') {
      said.push(request)
      asked.push(signed.epoch)
      const answer = await script(request)
      // A coordinator holds a request open before it answers `wait`.
      if (answer.kind === 'wait') await sleep(5)
      return answer
    }
    const granted = request.wants.map(() => ({ kind: 'Refused', reason: 'the attempt is closed' }))
    return { kind: 'granted', epoch: 1, granted }
  }
  await playCoordinator(bus, 'run', answer, epoch)
}

const trainerWith = (before: (call: string) => Promise<void> | void): Trainer =>
  inProcessTrainer(quadraticWork({ client: 'a', size: 10, before }))

function work(
  before: (call: string) => Promise<void> | void = () => {},
  change: Partial<WorkerOptions> = {},
): Promise<string> {
  return serveRun({
    client: 'a',
    incarnation: 'i',
    ...signing(),
    prefix: 'run',
    bus,
    transfers: createGrantedTransfers(),
    trainer: trainerWith(before),
    clock: systemClock(50),
    folder,
    answerSeconds: 120,
    silenceSeconds: 60_000,
    log: () => {},
    signal: stop.signal,
    ...change,
  }).then(({ reason }) => reason)
}

const FINISHED: NextAnswer = { kind: 'finished', epoch: 1, reason: 'over' }
const TASK: Task = {
  kind: 'Initialise',
  round: 0,
  attempt: 1,
  epoch: 1,
  base: null,
  evaluate: false,
  config: {},
  seed: '5'.repeat(64),
}
const task = (change: Partial<Task> = {}): NextAnswer => {
  const made = { ...TASK, ...change }
  return { kind: 'task', epoch: made.epoch, task: made }
}

describe('a client', () => {
  test('that gets `finished` reports that it leaves', async () => {
    await play(() => FINISHED)
    assert.equal(await work(), 'over')
    assert.deepEqual(
      said.map(({ have }) => have.state),
      ['Idle', 'Leaving'],
    )
  })

  test('whose owner declines the run at a task frees its trainer, repeats why, takes no task, and learns the end', async () => {
    let closed = 0
    let declined = 0
    await play(({ have }) => {
      if (have.state === 'Declined') declined += 1
      return declined > 2 ? FINISHED : task()
    })
    const trainer = { ...trainerWith(() => {}), close: async () => void closed++ }
    const admit = async () => {
      throw new RunDeclined('the limit is reached')
    }
    assert.equal(await work(undefined, { trainer, admit }), 'over')
    const states = said.map(({ have }) => have.state)
    assert.deepEqual(states.slice(states.indexOf('Declined')), [
      'Declined',
      'Declined',
      'Declined',
      'Leaving',
    ])
    const [first] = said.flatMap(({ have }) => (have.state === 'Declined' ? [have.message] : []))
    assert.deepEqual([first, closed], ['the limit is reached', 2])
  })

  test('that is refused ends as refused', async () => {
    await play(() => ({ kind: 'refused', epoch: 1, reason: 'no such partition' }))
    await assert.rejects(work(), { code: 'Refused', message: /no such partition/ })
  })

  test('without an answer for silenceSeconds ends with Silence', { timeout: 120_000 }, async () => {
    await assert.rejects(work(undefined, { silenceSeconds: 10 }), { code: 'Silence' })
  })

  test('that prepared for longer than silenceSeconds continues: its silence starts when it is ready', async () => {
    const SILENCE_SECONDS = 10
    // A manual clock: preparing takes ten times silenceSeconds, and every pause ends at once.
    let now = 0
    const clock: Clock = {
      now: () => now,
      sleep: async (seconds, signal) => {
        await new Promise(setImmediate)
        if (signal?.aborted !== true) now += Math.min(seconds, 1)
      },
    }
    const own = { client: 'a', incarnation: 'i', ...signing(), prefix: 'run' }
    const options = { ...own, bus, clock, folder, signal: stop.signal }
    const trainer = inProcessTrainer(quadraticWork({ client: 'a', size: 10 }))
    let requests = 0
    // No coordinator answers while it prepares, nor its first request after that.
    const silentAtFirst: MessageBus = {
      ...bus,
      async request(subject, body, options) {
        if (!prepared) throw new NoAnswer('nobody is there')
        requests += 1
        if (requests === 1) throw new NoAnswer('nobody is there yet')
        return bus.request(subject, body, options)
      },
    }
    await play(() => FINISHED)
    let prepared = false
    const ended = await serveRun({
      ...options,
      bus: silentAtFirst,
      transfers: createGrantedTransfers(),
      trainer,
      async prepare() {
        now += 10 * SILENCE_SECONDS
        prepared = true
      },
      answerSeconds: 120,
      silenceSeconds: SILENCE_SECONDS,
      log: () => {},
    })
    assert.equal(ended.reason, 'over')
    assert.ok(requests >= 2)
  })

  test('that is asked to stop ends at once, even while its request is held open', async () => {
    await play(() => new Promise(() => {}))
    const ended = work()
    await until('the worker has asked', () => said.length > 0)
    stop.abort()
    await assert.rejects(ended, { code: 'Interrupted' })
  })

  test('ignores an older coordinator, and asks the newer one', async () => {
    await play((request) => {
      if (request.have.state === 'Leaving') return { ...FINISHED, epoch: 3 }
      if (said.length === 1) return { kind: 'wait', epoch: 3, reason: '' }
      if (said.length === 2) return { ...FINISHED, epoch: 2 }
      return { ...FINISHED, epoch: 3 }
    }, 3)
    await work()
    assert.deepEqual(asked.slice(0, 3), [3, 3, 3])
  })

  test('whose work is not wanted keeps it for the next attempt at the same round', async () => {
    let made = 0
    await play(({ have }) => {
      if (have.state === 'Leaving') return FINISHED
      if (have.state === 'Working') return { kind: 'wait', epoch: 1, reason: '' }
      if (made === 0) return task()
      return said.filter(({ have: { state } }) => state === 'Idle').length < 3
        ? task({ attempt: 2 })
        : FINISHED
    })
    await work((call) => {
      if (call === 'get_parameters') made += 1
    })
    assert.equal(made, 1)
    assert.deepEqual(await readdir(folder), [], 'the update that nobody wanted is closed and deleted')
  })

  test('that is cancelled gives up its work and takes the next task', async () => {
    const reached = Promise.withResolvers<void>()
    const seen: string[] = []
    await play(async ({ have }) => {
      seen.push(have.state === 'Working' ? `Working ${have.round}` : have.state)
      if (have.state === 'Idle' && seen.length === 1) return task()
      if (have.state === 'Working') {
        await reached.promise
        return { kind: 'cancel', epoch: 1, round: 0, attempt: 1, reason: 'not needed' }
      }
      return FINISHED
    })
    const ended = await work((call) => {
      if (call !== 'get_parameters') return undefined
      reached.resolve()
      return new Promise(() => {})
    })
    assert.equal(ended, 'over')
    assert.deepEqual(seen, ['Idle', 'Working 0', 'Idle', 'Leaving'])
  })

  test('that is cancelled while it fetches the model does not begin to train', async () => {
    const memory = createMemoryStore()
    const body = new Uint8Array(8)
    await memory.put('rounds/0/1/model.safetensors', body)
    const base = { key: 'rounds/0/1/model.safetensors', ...digestPayload(body) }
    const asked = Promise.withResolvers<void>()
    const cancelled = Promise.withResolvers<void>()
    await playCoordinator(bus, 'run', async (request) => {
      if (request.kind === 'grant') {
        asked.resolve()
        await cancelled.promise
        const grant = await memory.grantRead(base.key, 60)
        return { kind: 'granted', epoch: 1, granted: [{ kind: 'Grant', grant }] }
      }
      said.push(request)
      if (said.length === 1) return task({ kind: 'Train', round: 1, base, evaluate: true })
      if (request.have.state !== 'Working') return FINISHED
      await asked.promise
      return { kind: 'cancel', epoch: 1, round: 1, attempt: 1, reason: 'not needed' }
    })
    const calls: string[] = []
    const trainer = trainerWith((call) => void calls.push(call))
    // The grant comes after the worker received the cancellation.
    const cancel = (): Promise<void> => {
      cancelled.resolve()
      return trainer.cancel()
    }
    await work(undefined, { transfers: createGrantedTransfers({ memory }), trainer: { ...trainer, cancel } })
    assert.deepEqual(calls, [])
    assert.deepEqual(
      said.map(({ have }) => have.state),
      ['Idle', 'Working', 'Idle', 'Leaving'],
    )
  })

  test('that fails repeats the reason until it gets another instruction', async () => {
    await play(({ have }) => {
      if (have.state === 'Idle') return task()
      if (have.state === 'Failed' && said.filter((one) => one.have.state === 'Failed').length < 3) {
        return { kind: 'wait', epoch: 1, reason: '' }
      }
      return have.state === 'Working' ? { kind: 'wait', epoch: 1, reason: '' } : FINISHED
    })
    await work(() => {
      throw new Error('no memory left')
    })
    const failures = said.flatMap(({ have }) => (have.state === 'Failed' ? [have.message] : []))
    assert.equal(failures.length, 3)
    assert.match(failures[0]!, /no memory left/)
  })

  test('whose trainer reports invalid progress continues', async () => {
    const trainer = inProcessTrainer(
      quadraticWork({ client: 'a', size: 10, before: () => new Promise(() => {}) }),
    )
    await play(({ have }) => (have.state === 'Working' || have.state === 'Leaving' ? FINISHED : task()))
    const ended = await serveRun({
      client: 'a',
      incarnation: 'i',
      ...signing(),
      prefix: 'run',
      bus,
      transfers: createGrantedTransfers(),
      trainer: { ...trainer, progress: () => ({ done: -0.5, total: Number.NaN, message: 'x'.repeat(9000) }) },
      clock: systemClock(50),
      folder,
      answerSeconds: 120,
      silenceSeconds: 60_000,
      log: () => {},
      signal: stop.signal,
    })
    assert.equal(ended.reason, 'over')
    const { progress } = said.find(({ have }) => have.state === 'Working')!
    assert.deepEqual({ ...progress, message: progress!.message.length }, { done: 0, total: 0, message: 2000 })
  })
})

test('a client that is asked to stop says so, where it may come back', async () => {
  await play(() => ({ kind: 'wait', epoch: 1, reason: '' }))
  const ended = work(undefined, { farewell: 'the site stopped its program' })
  await until('it asked', () => said.length > 0)
  stop.abort()
  await assert.rejects(ended, { code: 'Interrupted' })
  assert.deepEqual(said.at(-1)?.have, { state: 'Preparing', message: 'the site stopped its program' })
})
