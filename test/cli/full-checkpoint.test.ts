// `output.fullCheckpoint` of a real, if tiny, SAM: the output holds the checkpoint that an export writes, and verify derives it. And a run
// of SAM that starts from another run's round: the same bytes, and a refusal of another checkpoint and of other parts.
import assert from 'node:assert/strict'
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { sha256 } from '#protocol/digest.ts'
import { type Ended, startFedsam } from './fedsam.ts'
import { makeSamJob } from './sam-job.ts'

let dir = ''
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'fedsam-full-'))
  await makeSamJob(dir)
  const { code, stderr } = await run('out', 'output.fullCheckpoint=true', 'rounds=2')
  assert.equal(code, 0, stderr)
})
after(() => rm(dir, { recursive: true, force: true }))

const run = (output: string, ...sets: string[]): Promise<Ended> =>
  startFedsam(dir, [
    ...['run', 'job.yaml', '--output', output],
    ...['trainer.segmentAnything.backend=Wasm', ...sets].flatMap((set) => ['--set', set]),
  ])
const bytesOf = (...path: string[]): Promise<Buffer> => readFile(join(dir, ...path))
const digestOf = async (...path: string[]): Promise<string> => sha256(await bytesOf(...path))

test('the output contains the checkpoint that an export writes, and the run names it', async () => {
  const exported = await startFedsam(dir, ['export', 'out', '--to', 'exported'])
  assert.equal(exported.code, 0, exported.stderr)
  const names = ['config.json', 'model.safetensors', 'preprocessor_config.json']
  assert.deepEqual((await readdir(join(dir, 'exported'))).sort(), ['README.md', ...names])
  assert.deepEqual((await readdir(join(dir, 'out/output/checkpoint'))).sort(), names)
  for (const name of names)
    assert.equal(await digestOf('out/output/checkpoint', name), await digestOf('exported', name), name)
  const { files } = JSON.parse((await bytesOf('out/output/manifest.json')).toString())
  const named = files.find(({ name }: { name: string }) => name === 'checkpoint/model.safetensors')
  assert.equal(named.sha256, await digestOf('exported', 'model.safetensors'))
  assert.match(
    (await bytesOf('out/output/README.md')).toString(),
    /`checkpoint\/` holds the complete checkpoint/,
  )
})

test('verify derives the checkpoint: it finds a replaced file, even one whose digest is in the manifest', async () => {
  const sound = await startFedsam(dir, ['verify', 'out'])
  assert.equal(sound.code, 0, sound.stdout)
  await cp(join(dir, 'out'), join(dir, 'forged'), { recursive: true })
  const forged = Buffer.from(await bytesOf('out/output/checkpoint/model.safetensors'))
  forged[forged.length - 1]! ^= 1
  await writeFile(join(dir, 'forged/output/checkpoint/model.safetensors'), forged)
  const found = await startFedsam(dir, ['verify', 'forged'])
  assert.equal(found.code, 1)
  assert.match(
    found.stdout,
    /^output\/checkpoint\/model\.safetensors is not what output\/manifest\.json names$/m,
  )
  const manifest = (await bytesOf('out/output/manifest.json')).toString()
  const honest = await digestOf('out/output/checkpoint/model.safetensors')
  await writeFile(join(dir, 'forged/output/manifest.json'), manifest.replace(honest, sha256(forged)))
  const again = await startFedsam(dir, ['verify', 'forged'])
  assert.equal(again.code, 1)
  assert.match(again.stdout, /^output\/checkpoint\/model\.safetensors is not the file of round 2$/m)
})

test('one round, and one more from its record, give the bytes of two rounds', async () => {
  assert.equal((await run('first')).code, 0)
  const { code, stdout, stderr } = await run('second', 'rounds=2', 'resumeFrom={prefix: first, round: 1}')
  assert.equal(code, 0, stderr)
  assert.match(stdout, /^starts from the model of round 1 of two-sites in first/m)
  assert.equal(
    await digestOf('second/output/model.safetensors'),
    await digestOf('out/output/model.safetensors'),
  )
})

test('a checkpoint or parts that differ from those of the source run are rejected, by plan too', async () => {
  await cp(join(dir, 'sam'), join(dir, 'other-sam'), { recursive: true })
  const config = (await bytesOf('sam/config.json')).toString()
  await writeFile(join(dir, 'other-sam/config.json'), `${config}\n`)
  const start = ['rounds=3', 'resumeFrom={prefix: out, round: 2}']
  const refusals = [
    [
      'trainer.segmentAnything.checkpoint.uri=other-sam',
      /resumeFrom: run two-sites trained another checkpoint, sam; the files of \S+ differ\n/,
    ],
    [
      'trainer.segmentAnything.train=[MaskDecoder, PromptEncoder]',
      /resumeFrom: run two-sites has other tensors than the trainer trains: missing: prompt_encoder/,
    ],
  ] as const
  for (const [set, says] of refusals) {
    const refused = await run('refused', set, ...start)
    assert.equal(refused.code, 2)
    assert.match(refused.stderr, says)
    const planned = await startFedsam(dir, [
      'plan',
      'job.yaml',
      ...[set, ...start].flatMap((one) => ['--set', one]),
    ])
    assert.equal(planned.code, 2)
    assert.match(planned.stderr, says)
  }
  const names = await readdir(dir)
  assert.ok(!names.includes('refused'))
})

test('fullCheckpoint is rejected for a trainer without a base; the error says that its model is complete', async () => {
  const trainer = 'trainer={type: Command, command: {command: [./client]}}'
  const { code, stderr } = await startFedsam(dir, [
    ...['run', 'job.yaml', '--output', 'command', '--set', trainer, '--set', 'output.fullCheckpoint=true'],
  ])
  assert.equal(code, 2)
  assert.match(stderr, /fullCheckpoint: .*has no base checkpoint; the model in its output is whole/)
})
