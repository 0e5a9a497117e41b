// The seam in a pod: a trainer under a shell in another process, with real FIFOs. It has the same guarantees as a child, and sets
// the exit code of the trainer's container.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { SEAM_FILES } from '#protocol/seam-files.ts'
import { type Clock, systemClock } from '#runtime/clock.ts'
import { jumpingClock } from '#test/jumping-clock.ts'
import { type Container, endContainer, startContainer } from '#test/trainers/container.ts'
import { jumpUntilSettled, jumpWhileComputing, SILENT_SECONDS } from '#test/trainers/silence.ts'
import { until } from '#test/until.ts'
import { podTrainer } from './process-trainer.ts'
import type { Trainer } from './seam.ts'

const program = (name: string): string =>
  fileURLToPath(new URL(`../../test/trainers/${name}`, import.meta.url))
const AWKWARD = program('awkward-main.ts')
const QUADRATIC = program('quadratic-main.ts')
const CONFIG = { seed: '0', server_round: '1' }

let folder: string
let seam: string
let trainer: Trainer
let container: Container | undefined

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fedsam-fifos-'))
  seam = join(folder, 'seam')
})
afterEach(async () => {
  if (container !== undefined) endContainer(container)
  container = undefined
  await trainer.close()
  await rm(folder, { recursive: true, force: true })
})

/** For tests that need their own process namespace; under CI they must run. */
const mayUnshare = process.platform === 'linux' && (process.getuid?.() === 0 || process.env.CI === 'true')
const ISOLATED = { skip: !mayUnshare && 'needs Linux and root' }

interface Options {
  readonly noProgressSeconds?: number
  readonly clock?: Clock
  readonly podEndMs?: number
}

function half(options: Options = {}): Trainer {
  trainer = podTrainer(seam, { noProgressSeconds: 60, clock: systemClock(), log: () => {}, ...options })
  return trainer
}

/** Starts in the order of a pod: first the FIFOs, then the trainer's container. */
async function start(of: Trainer, command: readonly string[], isolated = false): Promise<Container> {
  void of.ready().catch(() => {})
  await until('the network half has made its FIFOs', async () =>
    (await stat(join(seam, SEAM_FILES.input))).isFIFO(),
  )
  container = startContainer(seam, [process.execPath, ...command], {}, isolated)
  return container
}

const awkward = (behaviour: string): string[] => [AWKWARD, behaviour, join(folder, 'lives')]
const lives = async (): Promise<number> =>
  (await readFile(join(folder, 'lives'), 'utf8')).trim().split('\n').length
const untilCalled = (): Promise<void> =>
  until('the trainer reads its call', () => existsSync(join(folder, 'lives.called')))
const fit = (of: Trainer) => of.fit('tensors', 'output', { config: CONFIG })

describe('a trainer in its own container', () => {
  test('answers its calls; at the end its container has the exit code that the network half wrote', async () => {
    const of = half()
    const { exit } = await start(of, [QUADRATIC, 'a', '10'])
    assert.deepEqual(await of.ready(), { dataset: 'quadratic-a', backend: 'typed arrays' })
    const [first, second] = [join(folder, 'first'), join(folder, 'second')]
    await of.getParameters(first)
    assert.ok((await of.fit(first, second, { config: CONFIG })).numExamples > 0)
    assert.ok(
      (await of.evaluate(second, { config: CONFIG })).loss <
        (await of.evaluate(first, { config: CONFIG })).loss,
    )
    await of.close(79)
    assert.equal(await exit, 79)
  })

  test('that is cancelled restarts in place, and answers the next call', async () => {
    const of = half()
    await start(of, awkward('hangs-once'))
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
    assert.equal(container?.process.exitCode, null)
  })

  test('that reports nothing is killed and restarts', async () => {
    const clock = jumpingClock()
    const of = half({ noProgressSeconds: SILENT_SECONDS, clock })
    await start(of, awkward('hangs-once'))
    await of.ready()
    const fitting = assert.rejects(fit(of), {
      code: 'TrainerFailed',
      message: /wrote nothing (and used no processor time )?for 1000 s/,
    })
    await untilCalled()
    await jumpUntilSettled(clock, fitting)
    await fitting
    assert.equal((await fit(of)).numExamples, 3)
  })

  for (const place of ['constructor', 'child', 'grandchild', 'orphan']) {
    test(`that computes for longer than noProgressSeconds keeps running: ${place}`, ISOLATED, async () => {
      const clock = jumpingClock()
      const of = half({ noProgressSeconds: SILENT_SECONDS, clock })
      await start(of, awkward(`computes-in-${place}`), true)
      const fitting = of.ready().then(() => fit(of))
      await jumpWhileComputing(clock, join(folder, 'lives'), fitting)
      await writeFile(join(folder, 'lives.enough'), '')
      assert.equal((await fitting).numExamples, 3)
      assert.equal(await lives(), 1)
    })
  }

  test('that crashes fails its call, and ends its container with its own code', async () => {
    const of = half({ podEndMs: 50 })
    const { exit } = await start(of, awkward('crashes-once'))
    await assert.rejects(fit(of), { code: 'TrainerFailed', message: /the trainer of this pod ended/ })
    assert.equal(await exit, 3)
  })

  test('that crashes while its pod ends: the network half reports no failure', async () => {
    const of = half()
    const { exit } = await start(of, awkward('crashes-once'))
    await of.ready()
    let outcome = 'none'
    const fitting = fit(of).catch(() => {
      outcome = 'failed'
    })
    assert.equal(await exit, 3)
    await sleep(100)
    assert.equal(outcome, 'none')
    await of.close(143)
    await fitting
  })

  test('that an earlier life of the network half left running is killed and restarts', async () => {
    const earlier = podTrainer(seam, { noProgressSeconds: 60, clock: systemClock(), log: () => {} })
    await start(earlier, awkward('hangs-once'))
    await earlier.ready()
    void fit(earlier).catch(() => {})
    await untilCalled()
    // Its FIFOs stay open here, so the trainer cannot know by the end of its input.
    assert.equal((await fit(half())).numExamples, 3)
    assert.equal(await lives(), 2)
    await earlier.cancel()
  })

  test('is not silent before its container runs', async () => {
    const clock = jumpingClock()
    const of = half({ noProgressSeconds: SILENT_SECONDS, clock })
    const ready = of.ready()
    for (let jumps = 0; jumps < 5; jumps += 1) {
      clock.jump(2 * SILENT_SECONDS)
      await setImmediate()
    }
    await start(of, [QUADRATIC, 'a', '10'])
    assert.equal((await ready).dataset, 'quadratic-a')
  })

  test('whose container starts after the end finds the end of its input, and ends with the written exit code', async () => {
    const of = half()
    void of.ready().catch(() => {})
    await of.close(80)
    container = startContainer(seam, [process.execPath, QUADRATIC, 'a', '10'])
    assert.equal(await container.exit, 80)
  })

  test('that does not end is killed, and its successor ends at once', async () => {
    const of = half()
    const { exit } = await start(of, awkward('hangs-once'))
    await of.ready()
    void fit(of).catch(() => {})
    await untilCalled()
    await of.close(0)
    assert.equal(await exit, 0)
    assert.equal(await lives(), 2)
  })
})

describe('the files of the seam', () => {
  test('give access to every user, independent of the umask', async () => {
    const umask = process.umask(0o077)
    try {
      const of = half()
      void of.ready().catch(() => {})
      await of.close(65)
    } finally {
      process.umask(umask)
    }
    for (const name of [SEAM_FILES.input, SEAM_FILES.output, SEAM_FILES.control]) {
      const found = await stat(join(seam, name))
      assert.deepEqual([name, found.isFIFO(), found.mode & 0o777], [name, true, 0o666])
    }
    assert.equal(await readFile(join(seam, SEAM_FILES.exit), 'utf8'), '65')
    assert.equal((await stat(join(seam, SEAM_FILES.exit))).mode & 0o444, 0o444)
  })
})
