// The list of processes that a container's script writes: complete lists count, anything else is ignored.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import { SEAM_FILES } from '#protocol/seam-files.ts'
import { podProcessorTime, readProcessList } from './pod-processes.ts'

/** A process that used `own` ticks. */
const line = (pid: number, parent: number, own: number): string =>
  `${pid} S ${parent} ${pid} ${pid} 0 -1 0 0 0 0 0 ${own} 0 0 0 20 0 1 0 ${pid} 0`

const list = (number: number, root: number, ...processes: string[]): string =>
  `answer ${number} of ${root} without 9\n${processes.map((one) => `${one}\n`).join('')}end\n`

test('process 1 of a namespace owns every process except the reader; another process owns its descendants', () => {
  const processes = [line(1, 0, 1), line(5, 1, 2), line(6, 5, 3), line(7, 1, 4), line(9, 1, 1000)]
  const pidsOf = (root: number) => readProcessList(list(3, root, ...processes))!.family.map(({ pid }) => pid)
  assert.deepEqual(pidsOf(1), [1, 5, 6, 7])
  assert.deepEqual(pidsOf(5), [5, 6])
})

test('an incomplete text is ignored', () => {
  const whole = list(3, 1, line(1, 0, 1))
  for (const text of ['', 'end\n', whole.slice(0, -4), whole.slice(10), 'answer x of 1 without 9\nend\n'])
    assert.equal(readProcessList(text), undefined)
})

let folder: string
let file: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fedsam-pod-processes-'))
  file = join(folder, SEAM_FILES.processes)
})
beforeEach(() => rm(file, { recursive: true, force: true }))
after(() => rm(folder, { recursive: true, force: true }))

test('each answer counts once, and is followed by the next request', async () => {
  const asked: number[] = []
  const used = podProcessorTime(folder, (number) => asked.push(number), 7)
  assert.equal(await used(), undefined)
  assert.equal(await used(), undefined)
  await writeFile(file, list(6, 1, line(1, 0, 999)))
  assert.equal(await used(), undefined)
  await writeFile(file, list(7, 1, line(1, 0, 50)))
  assert.equal(await used(), 0.5)
  assert.equal(await used(), 0.5)
  await writeFile(file, list(8, 1, line(1, 0, 70)))
  assert.equal(await used(), 0.7)
  assert.deepEqual(asked, [7, 8, 9])
})

for (const [what, leave] of [
  ['a FIFO', () => void execFileSync('mkfifo', [file])],
  ['a link', () => symlink('/dev/zero', file)],
  ['a file without bounds', () => writeFile(file, '').then(() => truncate(file, 2 ** 40))],
] as const) {
  test(`${what} in the place of an answer is ignored, and nothing waits`, async () => {
    const used = podProcessorTime(folder, () => {}, 1)
    await used()
    await leave()
    assert.equal(await used(), undefined)
  })
}
