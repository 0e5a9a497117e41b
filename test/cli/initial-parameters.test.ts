// `model.initialParameters` that cannot be used: refused by `plan` and `run` before a byte is written; for a program that alone
// knows its tensors, at its first answer and once.
import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { writeSafetensors } from '#protocol/safetensors.ts'
import { startFedsam, toyJob } from './fedsam.ts'
import { makeSamJob } from './sam-job.ts'

let dir = ''
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'fedsam-initial-'))
  await makeSamJob(dir)
  await writeFile(join(dir, 'toy.yaml'), toyJob(2))
  await writeFile(join(dir, 'junk.safetensors'), 'no tensors at all')
  const tensors = [{ name: 'w', shape: [2], dtype: 'F32' as const, data: new Uint8Array(8) }]
  await writeFile(join(dir, 'foreign.safetensors'), writeSafetensors(tensors))
})
after(() => rm(dir, { recursive: true, force: true }))

const refusals: readonly [job: string, file: string, says: RegExp][] = [
  [
    'job.yaml',
    'nowhere.safetensors',
    /spec\.model\.initialParameters: there is no file \S+nowhere\.safetensors\n/,
  ],
  [
    'toy.yaml',
    'nowhere.safetensors',
    /spec\.model\.initialParameters: there is no file \S+nowhere\.safetensors\n/,
  ],
  ['job.yaml', 'sam', /there is no file/],
  ['toy.yaml', 'junk.safetensors', /junk\.safetensors is not a readable safetensors file\n/],
  [
    'job.yaml',
    'foreign.safetensors',
    /other tensors than the trainer trains: missing: mask_decoder.* and \d+ more; not in the run: w\n/,
  ],
  [
    'job.yaml',
    'sam/model.safetensors',
    /other tensors than the trainer trains: not in the run: .* and \d+ more\n/,
  ],
]
for (const [job, file, says] of refusals) {
  test(`${file} for ${job} is rejected, and no file remains`, async () => {
    const had = (await readdir(dir)).sort()
    for (const command of ['plan', 'run']) {
      const { code, stderr } = await startFedsam(dir, [
        command,
        job,
        '--set',
        `model.initialParameters=${file}`,
      ])
      assert.equal(code, 2, stderr)
      assert.match(stderr, says)
    }
    assert.deepEqual((await readdir(dir)).sort(), had)
  })
}

test('tensors that no client of a program trains end the run at its first attempt', async () => {
  // This program answers every request with a tensor `v`.
  const renaming = toyJob(2).replace('quadratic-main.ts","toy"', 'flawed-main.ts","renames"')
  await writeFile(join(dir, 'renaming.yaml'), renaming)
  const { code, stdout, stderr } = await startFedsam(dir, [
    ...['run', 'renaming.yaml', '--output', 'foreign', '--json'],
    ...['--set', 'model.initialParameters=foreign.safetensors', '--set', 'round.maxFailedRounds=5'],
  ])
  assert.equal(code, 2, stderr)
  assert.match(stderr, /initialParameters has other tensors than the clients train; site-[abc]: /)
  const abandoned = stdout.split('\n').filter((line) => line.includes('"AttemptAbandoned"'))
  assert.equal(abandoned.length, 1)
})
