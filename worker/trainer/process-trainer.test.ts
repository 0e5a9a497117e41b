// Trainers in their own processes: their output, their failures, how they are ended, and that the next call starts a new process.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type Clock, systemClock } from '#runtime/clock.ts'
import { startedEnvironment } from '#test/given/started.ts'
import { jumpingClock } from '#test/jumping-clock.ts'
import { jumpUntilSettled, jumpWhileComputing, SILENT_SECONDS } from '#test/trainers/silence.ts'
import { until, untilSeen } from '#test/until.ts'
import { childTrainer } from './process-trainer.ts'
import type { Trainer } from './seam.ts'

const AWKWARD = fileURLToPath(new URL('../../test/trainers/awkward-main.ts', import.meta.url))
const CONFIG = { seed: '0' }

let folder: string
let log: string[]
let trainer: Trainer | undefined

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fedsam-child-'))
  log = []
})
afterEach(async () => {
  await trainer?.close()
  await rm(folder, { recursive: true, force: true })
})

interface Options {
  readonly noProgressSeconds?: number
  readonly clock?: Clock
  readonly command?: [string, ...string[]]
}

function awkward(behaviour: string, options: Options = {}): Trainer {
  trainer = childTrainer({
    command: [process.execPath, AWKWARD, behaviour, join(folder, 'lives')],
    env: startedEnvironment(),
    cwd: folder,
    noProgressSeconds: 60,
    clock: systemClock(),
    log: (line) => log.push(line),
    ...options,
  })
  return trainer
}

/** Without /proc, processor time is not measured. */
const SILENT = /wrote nothing (and used no processor time )?for 1000 s/

/** What is measured by /proc. */
const ON_LINUX = { skip: process.platform !== 'linux' && 'there is no /proc' }

const fit = (of: Trainer) => of.fit('tensors', 'output', { config: CONFIG })
const lives = async (): Promise<number> =>
  (await readFile(join(folder, 'lives'), 'utf8')).trim().split('\n').length

describe('a trainer in a process', () => {
  test('reports its data and backend, and answers its calls', async () => {
    const of = awkward('answers')
    assert.deepEqual(await of.ready(), { dataset: 'd', backend: 'b' })
    assert.deepEqual(await fit(of), { numExamples: 3, metrics: { train_loss: 0.5 }, hasState: false })
    assert.deepEqual(await of.evaluate('tensors', { config: CONFIG }), {
      loss: 0.25,
      numExamples: 2,
      metrics: { dice: 0.5 },
      hasState: false,
    })
    assert.equal(await lives(), 1)
  })

  test('may print any text, which goes to its log; progress is reported while the call runs', async () => {
    const of = awkward('prints')
    const fitting = fit(of)
    await until('the trainer reports progress', () => of.progress() !== null)
    assert.deepEqual(of.progress(), { type: 'progress', done: 1, total: 4, message: 'step' })
    await writeFile(join(folder, 'lives.seen'), '')
    assert.equal((await fitting).numExamples, 3)
    assert.equal(of.progress(), null)
    assert.deepEqual(log.sort(), ['a warning', 'loading weights', '{ not json', '{"epoch": 1}'].sort())
  })

  test('that crashes in a call fails it; the next call starts a new process', async () => {
    const of = awkward('crashes-once')
    await assert.rejects(fit(of), { code: 'TrainerFailed', message: /ended with code 3/ })
    assert.equal((await fit(of)).numExamples, 3)
    assert.equal(await lives(), 2)
  })

  test('that reports an error: its message is quoted', async () => {
    await assert.rejects(fit(awkward('fails')), { code: 'TrainerFailed', message: 'no memory left' })
  })

  test('that cannot start reports its code and remedy', async () => {
    const wanted = { code: 'BadData', message: 'there is no picture', remedy: 'put one there' }
    await assert.rejects(awkward('cannot-start').ready(), wanted)
  })

  test('that does not exist', async () => {
    const of = awkward('', { command: ['/nowhere/trainer'] })
    await assert.rejects(of.ready(), {
      code: 'TrainerFailed',
      message: /cannot start: \/nowhere\/trainer does not exist$/,
      remedy: /correct the path/,
    })
    await assert.rejects(fit(of), { code: 'TrainerFailed' })
  })

  test('that answers with a NaN metric loses only that metric, and its log says so', async () => {
    assert.deepEqual(await fit(awkward('not-finite')), { numExamples: 3, metrics: {}, hasState: false })
    assert.match(log.join('\n'), /FedSAM drops the metric "loss": "NaN" is not a finite number/)
  })

  for (const place of ['before-ready', 'in-a-call']) {
    test(`that writes a line without an end ${place} fails, and is ended`, async () => {
      const of = awkward(`endless-line-${place}`)
      const wanted = { code: 'TrainerFailed', message: /wrote a line of more than 1048576 bytes.*: xxxx/ }
      await assert.rejects(fit(of), wanted)
      assert.equal((await fit(of)).numExamples, 3)
      assert.equal(await lives(), 2)
    })
  }

  test('whose log has a line without an end stays: its log has pieces', async () => {
    assert.equal((await fit(awkward('endless-log'))).numExamples, 3)
    assert.ok(log.length > 100 && log.every((line) => line.length <= 8192))
  })

  test('that crashes: its last line of output is quoted', async () => {
    await assert.rejects(fit(awkward('crashes-with-words')), {
      code: 'TrainerFailed',
      message: /ended with code 1; the last line of its output: ValueError: no such thing$/,
    })
  })

  test('that answers another call fails; a late answer to an earlier call is ignored', async () => {
    await assert.rejects(fit(awkward('mistakes')), {
      code: 'TrainerFailed',
      message: /answered parameters to a call that needs the answer fitted/,
    })
    await trainer?.close()
    assert.equal((await fit(awkward('answers-late'))).numExamples, 3)
  })
})

describe('a trainer that reports nothing', () => {
  test('for noProgressSeconds in a call is killed, and the next call starts a new one', async () => {
    const clock = jumpingClock()
    const of = awkward('hangs-once', { noProgressSeconds: SILENT_SECONDS, clock })
    await of.ready()
    const fitting = assert.rejects(fit(of), { code: 'TrainerFailed', message: SILENT })
    await untilCalled()
    await jumpUntilSettled(clock, fitting)
    await fitting
    assert.equal((await fit(of)).numExamples, 3)
    assert.equal(await lives(), 2)
  })

  test('before it is ready is killed too', async () => {
    const clock = jumpingClock()
    const of = awkward('never-ready', { noProgressSeconds: SILENT_SECONDS, clock })
    const starting = assert.rejects(of.ready(), { code: 'TrainerFailed', message: SILENT })
    await jumpUntilSettled(clock, starting)
    await starting
  })

  for (const place of ['constructor', 'itself', 'thread', 'child', 'grandchild', 'orphan']) {
    test(`but computes for longer than noProgressSeconds keeps running: ${place}`, ON_LINUX, async () => {
      const clock = jumpingClock()
      const of = awkward(`computes-in-${place}`, { noProgressSeconds: SILENT_SECONDS, clock })
      const fitting = of.ready().then(() => fit(of))
      await jumpWhileComputing(clock, join(folder, 'lives'), fitting)
      await writeFile(join(folder, 'lives.enough'), '')
      assert.equal((await fitting).numExamples, 3)
      assert.equal(await lives(), 1)
    })
  }

  test('is not killed while it reports progress, however long it takes', async () => {
    const clock = jumpingClock()
    const of = awkward('hangs-but-reports', { noProgressSeconds: 1000, clock })
    const fitting = fit(of)
    const step = (): Promise<void> => appendFile(join(folder, 'lives.steps'), '.')
    for (let done = 1; done < 6; done += 1) {
      await step()
      await until(`the trainer reports step ${done}`, () => of.progress()?.done === done)
      // Two silent periods of this length would end it.
      clock.jump(600)
    }
    await step()
    assert.equal((await fitting).numExamples, 3)
  })
})

/** A trainer that hangs has read its call. */
const untilCalled = (): Promise<void> =>
  until('the trainer reads its call', () => existsSync(join(folder, 'lives.called')))

/** The process id that a process of the trainer writes into this file. */
const pidIn = (name: string): Promise<string> =>
  untilSeen(
    `a process of the trainer writes ${name}`,
    async () => (await readFile(join(folder, name), 'utf8')).trim(),
    (pid) => pid !== '',
  )

/** A killed process has no memory, even before its parent has waited for it. */
const untilEnded = (pid: string): Promise<void> =>
  until(`process ${pid} ends`, async () => {
    const text = await readFile(`/proc/${pid}/statm`, 'utf8').catch(() => '0')
    return text.split(' ')[0] === '0'
  })

describe('ending a trainer', () => {
  test('kills descendants that have another parent and their own session', ON_LINUX, async () => {
    const of = awkward('computes-in-orphan')
    await of.ready()
    const fitting = fit(of).catch(() => {})
    const orphan = await pidIn('lives.orphan')
    await of.cancel()
    await fitting
    await untilEnded(orphan)
  })

  test('in the middle of a call fails the call; the next call starts a new one', async () => {
    const of = awkward('hangs-once')
    await of.ready()
    const fitting = assert.rejects(fit(of), {
      code: 'TrainerFailed',
      message: /was ended: its call was cancelled/,
    })
    await untilCalled()
    await of.cancel()
    await fitting
    assert.equal((await fit(of)).numExamples, 3)
    assert.equal(await lives(), 2)
  })

  test('kills its descendants, even where they keep its output open', ON_LINUX, async () => {
    const of = awkward('leaves-a-child')
    await of.ready()
    const child = await pidIn('lives.child')
    await of.cancel()
    await untilEnded(child)
  })

  for (const behaviour of ['stays', 'stays-deaf']) {
    test(`that ${behaviour} where its input ends: it is asked to end, then forced`, async () => {
      const of = awkward(behaviour)
      await of.ready()
      await of.close()
      assert.deepEqual(
        log.filter((line) => line === 'asked to end'),
        ['asked to end'],
      )
    })
  }

  test('that does not run, or twice, causes no error', async () => {
    const of = awkward('answers')
    await of.cancel()
    await of.close()
    await of.ready()
    await of.close()
    await of.close()
  })
})
