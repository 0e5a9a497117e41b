// The reports of a client before its trainer is ready.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { FedsamError } from '#protocol/errors.ts'
import type { NextAnswer, NextRequest } from '#protocol/messages.ts'
import { systemClock } from '#runtime/clock.ts'
import { playCoordinator, signing } from '#test/given/signed.ts'
import { inProcessTrainer } from '#test/trainers/in-process.ts'
import { quadraticWork } from '#test/trainers/quadratic.ts'
import { until } from '#test/until.ts'
import { createInProcessBus } from '#transport/bus/in-process/bus.ts'
import { createGrantedTransfers } from '#transport/grants/transfers.ts'
import type { MessageBus } from '#transport/ports.ts'
import type { Progress } from '../trainer/seam.ts'
import { serveRun } from './client.ts'
import type { WorkerOptions } from './options.ts'

const FINISHED: NextAnswer = { kind: 'finished', epoch: 1, reason: 'over' }
const WAIT: NextAnswer = { kind: 'wait', epoch: 1, reason: '' }

let folder: string
let bus: MessageBus
let said: NextRequest[]
let stop: AbortController
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fedsam-preparing-'))
  bus = createInProcessBus()
  said = []
  stop = new AbortController()
})
afterEach(async () => {
  stop.abort()
  await bus.close()
  await rm(folder, { recursive: true, force: true })
})

async function play(script: (request: NextRequest) => NextAnswer): Promise<void> {
  await playCoordinator(bus, 'run', async (request) => {
    said.push(request as NextRequest)
    return script(request as NextRequest)
  })
}

const trainer = inProcessTrainer(quadraticWork({ client: 'a', size: 10 }))

function work(change: Partial<WorkerOptions> = {}): Promise<string> {
  return serveRun({
    client: 'a',
    incarnation: 'i',
    ...signing(),
    prefix: 'run',
    bus,
    transfers: createGrantedTransfers(),
    trainer,
    clock: systemClock(100),
    folder,
    answerSeconds: 120,
    silenceSeconds: 60_000,
    log: () => {},
    signal: stop.signal,
    ...change,
  }).then(({ reason }) => reason)
}

const words = (): string[] => said.flatMap(({ have }) => (have.state === 'Preparing' ? [have.message] : []))

test('the client reports what it waits for: first the preparation, then the trainer', async () => {
  const fetched = Promise.withResolvers<void>()
  const started = Promise.withResolvers<void>()
  let progress: Progress | null = null
  await play(({ have }) => {
    if (have.state !== 'Preparing') return FINISHED
    if (have.message === 'fetching the base checkpoint') fetched.resolve()
    if (have.message === 'waiting for the trainer to start')
      progress = { done: 2, total: 9, message: 'preparing images' }
    if (have.message === 'preparing images: 2 of 9') started.resolve()
    // An instruction that comes too early is ignored.
    return { kind: 'cancel', epoch: 1, round: 1, attempt: 1, reason: '' }
  })
  const ended = await work({
    prepare: async (_ask, report) => {
      report('fetching the base checkpoint')
      await fetched.promise
    },
    trainer: { ...trainer, progress: () => progress, ready: () => started.promise.then(trainer.ready) },
  })
  assert.equal(ended, 'over')
  const states = said.map(({ have }) => have.state)
  assert.deepEqual(states.slice(-2), ['Idle', 'Leaving'])
  assert.deepEqual(
    [...new Set(words())],
    ['fetching the base checkpoint', 'waiting for the trainer to start', 'preparing images: 2 of 9'],
  )
})

test('a trainer that is ready at once causes no report', async () => {
  await play(() => FINISHED)
  await work()
  assert.deepEqual(words(), [])
})

test('a trainer that cannot start: the worker reports the reason, then ends with its exit code', async () => {
  await play(() => WAIT)
  const codes: (number | undefined)[] = []
  const broken = {
    ...trainer,
    ready: () => Promise.reject(new FedsamError('BadData', 'there is no picture')),
    close: async (code?: number) => void codes.push(code),
  }
  await assert.rejects(work({ trainer: broken }), { code: 'BadData' })
  assert.deepEqual(words(), ['there is no picture'])
  assert.deepEqual(codes, [65])
})

test('a client that prepares handles the end of the run, a refusal, silence, and a stop', async () => {
  const never = { ...trainer, ready: () => new Promise<never>(() => {}) }
  await assert.rejects(work({ trainer: never, silenceSeconds: 5 }), { code: 'Silence' })
  let answer: NextAnswer = FINISHED
  await play(() => answer)
  assert.equal(await work({ trainer: never }), 'over')
  answer = { kind: 'refused', epoch: 1, reason: 'no such partition' }
  await assert.rejects(work({ trainer: never }), { code: 'Refused' })
  answer = WAIT
  said = []
  const ended = work({ trainer: never })
  await until('the worker has asked', () => said.length > 0)
  stop.abort()
  await assert.rejects(ended, { code: 'Interrupted' })
})

test('a client that declines reports its reason, starts nothing, and learns that the run is over', async () => {
  await play(({ have }) => (have.state === 'Declined' && said.length > 2 ? FINISHED : WAIT))
  const calls: string[] = []
  const ended = await work({
    prepare: async () => {
      throw new FedsamError('SiteRefused', 'the site allows 10 rounds')
    },
    trainer: {
      ...trainer,
      ready() {
        calls.push('ready')
        return trainer.ready()
      },
    },
  })
  assert.equal(ended, 'over')
  assert.deepEqual(calls, [])
  const states = new Set(said.map(({ have }) => JSON.stringify(have)))
  assert.deepEqual(
    [...states],
    [JSON.stringify({ state: 'Declined', message: 'the site allows 10 rounds' }), '{"state":"Leaving"}'],
  )
})

test('a client that does not serve the job of the certificate sends one request, and no other', async () => {
  await play(() => WAIT)
  const asked: object[] = []
  const ended = work({
    mayServe(certificate) {
      asked.push(certificate)
      return false
    },
    prepare: async (ask) => void (await ask([{ kind: 'Read', key: 'run.json' }])),
  })
  await assert.rejects(ended, {
    code: 'SiteRefused',
    message: /the job test\/test, which this client does not serve/,
  })
  assert.equal(asked.length, 1)
})
