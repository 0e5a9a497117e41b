// When the status is written: changes of state at once, progress at intervals, and the last status always.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { FedsamError } from '#protocol/errors.ts'
import type { TrainingStatus } from '#protocol/generated/federatedjob.ts'
import { systemClock } from '#runtime/clock.ts'
import { until } from '#test/until.ts'
import { StatusRefused } from '#transport/ports.ts'
import { beginStatus, type StatusEvent } from './status.ts'
import { openReporting } from './status-writer.ts'

const admitted: StatusEvent = { event: 'UpdateAdmitted', round: 1, client: 'a', numExamples: 1, bytes: 10 }
const hindered = (message: string): StatusEvent => ({
  event: 'Hindered',
  reason: 'StorageUnreachable',
  message,
})
const COMPLETED: StatusEvent = {
  event: 'RunCompleted',
  rounds: 2,
  output: 'output/manifest.json',
  evaluation: null,
  round: 2,
  digest: 'a'.repeat(64),
  head: 'b'.repeat(64),
}

/** A sink whose answer a test decides, and a clock whose seconds last `1 / speed`. */
function open(answer: (count: number) => Promise<void> | void = () => {}, speed = 1) {
  const writes: TrainingStatus[] = []
  const stop = new AbortController()
  const said: string[] = []
  const reporting = openReporting({
    sink: {
      async write(training) {
        writes.push(training)
        await answer(writes.length)
      },
    },
    begin: beginStatus('6f3a', undefined, 0),
    outputUri: 's3://b/output',
    clock: systemClock(speed),
    now: () => 0,
    statusSeconds: 10,
    log: (line) => void said.push(line),
    signal: stop.signal,
  })
  return { reporting, writes, stop, said, running: reporting.run() }
}

describe('the status', () => {
  test('is written at the start, and at every change of state', async () => {
    const { reporting, writes, stop, running } = open()
    await until('1 write', () => writes.length === 1)
    reporting.report(hindered('away'))
    await until('2 writes', () => writes.length === 2)
    reporting.report({ event: 'GivenUp', reason: 'BadCheckpoint', message: '' })
    await until('3 writes', () => writes.length === 3)
    assert.deepEqual(
      writes.map(({ state }) => state),
      ['Starting', 'Waiting', 'Failed'],
    )
    stop.abort()
    await running
  })

  test('of progress waits, and several steps are one write', async () => {
    const { reporting, writes, stop, running } = open(undefined, 50)
    await until('1 write', () => writes.length === 1)
    for (let i = 0; i < 5; i += 1) reporting.report(admitted)
    assert.equal(writes.length, 1)
    await until('2 writes', () => writes.length === 2)
    assert.equal(writes[1]?.bytes?.received, 50)
    stop.abort()
    await running
  })

  test('that was not accepted is replaced by the newest one, and events do not wait for the write', async () => {
    const { reporting, writes, stop, said, running } = open((count) => {
      if (count < 3) throw new Error('the server is away')
    }, 50)
    await until('1 write', () => writes.length === 1)
    reporting.report(hindered('one'))
    reporting.report(hindered('two'))
    await reporting.settled()
    assert.equal(writes.at(-1)?.message, 'two')
    assert.equal(said.length, 2)
    assert.match(said[0]!, /the server is away/)
    stop.abort()
    await running
  })

  test('is awaited at the end of the run, but not after a request to stop', async () => {
    const hold = Promise.withResolvers<void>()
    const { reporting, writes, stop, running } = open((count) => (count === 2 ? hold.promise : undefined))
    await until('1 write', () => writes.length === 1)
    reporting.report(admitted)
    let settled = false
    const waiting = reporting.settled().then(() => {
      settled = true
    })
    await until('2 writes', () => writes.length === 2)
    assert.equal(settled, false)
    hold.resolve()
    await waiting
    reporting.report(admitted)
    stop.abort()
    await reporting.settled()
    await running
  })

  test('that the API server refuses is shortened until it is accepted, and the end of the run does not wait for it', async () => {
    const { reporting, writes, stop, said, running } = open((count) => {
      if (count === 2) throw new StatusRefused('absent[0].name: Too long')
    })
    await until('1 write', () => writes.length === 1)
    reporting.report({ event: 'ClientFailed', round: 1, client: 'a', reason: 'x', message: 'y' })
    reporting.report(COMPLETED)
    await reporting.settled()
    assert.equal(writes.length, 3)
    assert.equal(writes[1]?.clients?.absent?.length, 1)
    const { message, ...rest } = writes[2]!
    assert.match(message ?? '', /refused the details/)
    const { uid, epoch, round, attempt, state, reason, head, output, updatedTime } = writes[1]!
    assert.deepEqual(rest, { uid, epoch, round, attempt, state, reason, head, output, updatedTime })
    assert.equal(state, 'Complete')
    assert.match(said[0]!, /Too long/)
    stop.abort()
    await running
  })

  test('that is refused in every form is not repeated, and the next change of state is written', async () => {
    const { reporting, writes, stop, said, running } = open((count) => {
      if (count <= 3) throw new StatusRefused('no')
    })
    await reporting.settled()
    assert.equal(writes.length, 3)
    assert.match(said.at(-1)!, /every form/)
    reporting.report(hindered('away'))
    await reporting.settled()
    assert.equal(writes.at(-1)?.state, 'Waiting')
    assert.equal(writes.length, 4)
    stop.abort()
    await running
  })

  test('of a newer coordinator ends the writing', async () => {
    const { running } = open(() => {
      throw new FedsamError('Superseded', 'another job has its name')
    })
    await assert.rejects(running, { code: 'Superseded' })
  })
})
