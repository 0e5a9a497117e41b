// Building parts: what is said, what is recorded, what a failure says.
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { FedsamError } from '#protocol/errors.ts'
import { buildParts, requireWritable } from './build.ts'
import type { Part } from './parts.ts'
import { RunningFiles } from './progress.ts'

function part(name: string, cached: boolean, build: Part['build']): Part {
  return { name, neededBy: [], minutes: 1, isCached: async () => cached, build }
}

test('only builds are recorded; cached parts are prepared too', async () => {
  const lines: string[] = []
  const say = async (log: (line: string) => void): Promise<void> => log('at work')
  const took = await buildParts([part('old', true, say), part('new', false, say)], (line) => lines.push(line))
  assert.deepEqual(Object.keys(took), ['new'])
  assert.deepEqual(lines, ['at work', 'at work'])
})

test('a part that cannot be built is named, with its remedy', async () => {
  const fails = async (): Promise<void> => {
    throw new FedsamError('RunFailed', 'Go is not there', { remedy: 'install Go' })
  }
  await assert.rejects(
    buildParts([part('Helm', false, fails)], () => {}),
    {
      name: 'PartFailed',
      message:
        /^the tests need Helm, which could not be built: Go is not there\n {2}install Go\n {2}npm test -- FOLDER /,
    },
  )
})

test('a long silence is broken', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const lines: string[] = []
  const work = Promise.withResolvers<void>()
  const began = Promise.withResolvers<void>()
  const build = async (): Promise<void> => {
    began.resolve()
    await work.promise
  }
  const built = buildParts([part('Kubernetes', false, build)], (line) => lines.push(line))
  await began.promise
  t.mock.timers.tick(45_000)
  work.resolve()
  await built
  t.mock.timers.tick(45_000)
  assert.equal(lines.length, 2)
  assert.match(lines[0]!, /^still building Kubernetes \(\d+ s\)$/)
})

test('a cache folder that cannot be written is named, with what to do', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-cache-'))
  t.after(() => rm(folder, { recursive: true }))
  await requireWritable(join(folder, 'new', 'fedsam'))
  await writeFile(join(folder, 'file'), '')
  await assert.rejects(requireWritable(join(folder, 'file', 'fedsam')), {
    name: 'PartFailed',
    message: /file\/fedsam \(ENOTDIR\).*\n.*XDG_CACHE_HOME/,
  })
})

test('running files and their durations follow the events of the runner', () => {
  const running = new RunningFiles(['a.test.ts', 'b.test.ts'])
  running.note('test:dequeue', 'a.test.ts', 1000)
  running.note('test:dequeue', 'a case in a.test.ts', 1500)
  running.note('test:dequeue', 'b.test.ts', 2000)
  running.note('test:complete', 'a.test.ts', 4560)
  assert.deepEqual(running.durations, { 'a.test.ts': 3.6 })
  assert.equal(running.line(12_000), '1 of 2 files done; running: b.test.ts (10 s)')
})
