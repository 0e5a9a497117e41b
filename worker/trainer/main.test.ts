// The built-in trainer as a program: how it ends where it cannot start, that it waits for data, and that it can be ended at any
// time.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { completeSpec } from '#protocol/defaults.ts'
import { POD_EXITS } from '#protocol/exit-codes.ts'
import { startedEnvironment } from '#test/given/started.ts'
import { makeSamJob } from '../../test/cli/sam-job.ts'
import type { TrainerLine } from './seam.ts'

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url))

let dir: string
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'fedsam-trainer-'))
  await makeSamJob(dir)
})
after(() => rm(dir, { recursive: true, force: true }))

/** Settings of the site's trainer, as the operator and the command line write them. */
function settings(backend: string, own: object = {}): string {
  const spec = completeSpec({
    trainer: { type: 'SegmentAnything', segmentAnything: { checkpoint: { uri: 'sam' }, backend } },
    partitions: [{ name: 'a', dataset: { root: join(dir, 'a') } }],
  } as Parameters<typeof completeSpec>[0])
  const [partition] = spec.partitions
  return JSON.stringify({
    trainer: spec.trainer.segmentAnything,
    dataset: partition!.dataset,
    checkpoint: join(dir, 'sam'),
    cache: join(dir, 'cache'),
    ...own,
  })
}

function start(argument: string) {
  const child = spawn(process.execPath, [MAIN, argument], {
    env: { ...startedEnvironment(), FEDSAM_TERMINATION_LOG: join(dir, 'termination') },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const exit = once(child, 'exit').then(([code]) => code as number | null)
  const log = text(child.stderr)
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  /** The first line of this type. */
  const until = async <T extends TrainerLine['type']>(
    type: T,
  ): Promise<Extract<TrainerLine, { type: T }>> => {
    for (;;) {
      const { value, done } = await lines.next()
      assert.notEqual(done, true, `it ended before it said ${type}`)
      const line = JSON.parse(value as string) as TrainerLine
      if (line.type === type) return line as Extract<TrainerLine, { type: T }>
    }
  }
  return { child, exit, until, log }
}

test('invalid settings end it with the exit code of a bad configuration', async () => {
  const { exit, until } = start('{}')
  assert.equal((await until('error')).code, 'InvalidJob')
  assert.equal(await exit, POD_EXITS.BadConfiguration.code)
})

test('bad data ends it with its code, reported on the seam and in the termination message', async () => {
  const dataset = { ...JSON.parse(settings('CPU')).dataset, root: join(dir, 'nowhere') }
  const { exit, until } = start(settings('CPU', { dataset }))
  const { code, message, remedy } = await until('error')
  assert.equal(code, 'BadData')
  assert.equal(await exit, POD_EXITS.BadData.code)
  assert.deepEqual(JSON.parse(await readFile(join(dir, 'termination'), 'utf8')), { code, message, remedy })
})

test('without the requested accelerator it fails, or trains without one and reports that', async () => {
  const strict = start(settings('CPU', { whenUnseen: 'Fail' }))
  assert.equal((await strict.until('error')).code, 'NoAccelerator')
  assert.equal(await strict.exit, POD_EXITS.NoAccelerator.code)
  const lenient = start(settings('CPU', { whenUnseen: 'UseCPU' }))
  assert.equal((await lenient.until('ready')).backend, 'CPU without a GPU: TensorFlow found none')
  lenient.child.stdin.end()
  assert.equal(await lenient.exit, 0)
  const local = start(settings('CPU'))
  assert.equal((await local.until('ready')).backend, 'CPU')
  local.child.stdin.end()
  assert.equal(await local.exit, 0)
})

test('a line that is not a call is answered with an error, and the next call is served', async () => {
  const { child, exit, until } = start(settings('CPU'))
  await until('ready')
  child.stdin.write('{"call": "fly", "id": 7}\n')
  assert.match(
    (await until('error')).message,
    /a line on the trainer's standard input is not a call: \{"call": "fly", "id": 7\}/,
  )
  // The Unicode line separator is part of the text, and does not end a line.
  const output = join(dir, 'parameters\u2028.safetensors')
  child.stdin.write(`${JSON.stringify({ id: 8, call: 'get_parameters', output })}\r\n`)
  assert.equal((await until('parameters')).id, 8)
  assert.ok((await readFile(output)).length > 0)
  child.stdin.end()
  assert.equal(await exit, 0)
})

test('it waits for missing data and reports it; the end of its input ends the wait', async () => {
  await rename(join(dir, 'a'), join(dir, 'elsewhere'))
  try {
    const { child, exit, until } = start(settings('CPU', { waitSeconds: 1800 }))
    assert.match((await until('progress')).message, /a: .* \(waited 0 of 1800 s\)$/)
    child.stdin.end()
    assert.equal(await exit, 0)
  } finally {
    await rename(join(dir, 'elsewhere'), join(dir, 'a'))
  }
})

test('in a pod it logs the preflight of the data: images that are left out, and what the model sees', async () => {
  const said = async (own: object): Promise<string> => {
    const { child, exit, until, log } = start(settings('CPU', own))
    await until('ready')
    child.stdin.end()
    assert.equal(await exit, 0)
    return log
  }
  await writeFile(join(dir, 'a/images/notes.txt'), '')
  try {
    const root = join(dir, 'a')
    const expected = `${root}: 4 images of 24x16: 3 to train on, 1 held out\n`
    const log = await said({ logPreflight: true })
    assert.ok(log.includes(expected), log)
    assert.match(log, /warning: 1 file without the ending .*: images\/notes\.txt\./)
    assert.ok(!(await said({})).includes(expected))
  } finally {
    await rm(join(dir, 'a/images/notes.txt'))
  }
})
