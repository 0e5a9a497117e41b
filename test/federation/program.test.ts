// A Program run as its users start it, over real clients whose trainers reply to messages and keep a state: the same bytes after SIGKILL of the
// whole run, and of the program alone; and a record that is sound.
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { sha256 } from '#protocol/digest.ts'
import { type Ended, ROOT, startFedsam } from '../cli/fedsam.ts'

let dir = ''
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'fedsam-program-run-'))
})
after(() => rm(dir, { recursive: true, force: true }))

const words = (...all: readonly string[]): string => JSON.stringify(all)

/** Runs the job with this flaw of its program (test/programs/average.mjs), perhaps until a line of its output. */
async function run(output: string, flaw: string, killAt?: RegExp): Promise<Ended> {
  const job = `${output}.yaml`
  const program = words('node', join(ROOT, 'test/programs/average.mjs'), flaw, join(dir, `${output}.notes`))
  const trainer = words('node', join(ROOT, 'test/trainers/adds.mjs'))
  await writeFile(
    join(dir, job),
    `apiVersion: fedsam.dev/v1alpha1
kind: FederatedJob
metadata: {name: averaged}
spec:
  strategy: {type: Program, program: {command: ${program}}}
  trainer: {type: Command, command: {command: ${trainer}}}
  partitions: [{name: a}, {name: b}, {name: c}]
`,
  )
  return startFedsam(dir, ['run', job, '--output', output, '--json'], {
    onLine(line, child) {
      if (killAt?.test(line)) child.kill('SIGKILL')
    },
  })
}

/** What the program left, and the model's digest. */
async function outputOf(output: string): Promise<readonly string[]> {
  const folder = join(dir, output, 'output')
  return [
    (await readFile(join(folder, 'history.txt'), 'utf8')).trim(),
    sha256(await readFile(join(folder, 'model.safetensors'))),
  ]
}

test('three exchanges with three clients, whose states go on from exchange to exchange', async () => {
  const { code, stderr } = await run('whole', 'none')
  assert.equal(code, 0, stderr)
  // 1, plus 1 on average; then twice plus 1 and plus 10, since each client has a state from its second message on.
  assert.equal((await outputOf('whole'))[0], '24')
  const verified = await startFedsam(dir, ['verify', 'whole'])
  assert.equal(verified.code, 0, verified.stdout)
  assert.match(verified.stdout, /^a Program run of 3 exchanges/m)
})

test('SIGKILL of the whole run, while an exchange is open and after one is decided', async () => {
  const moments = [/"ExchangeOpened","exchange":2/, /"ExchangeCompleted","exchange":2/]
  for (const [at, moment] of moments.entries()) {
    const name = `killed-${at}`
    const killed = await run(name, 'none', moment)
    assert.equal(killed.code, null, killed.stderr)
    const { code, stderr } = await run(name, 'none')
    assert.equal(code, 0, stderr)
    assert.deepEqual(await outputOf(name), await outputOf('whole'))
    const verified = await startFedsam(dir, ['verify', name])
    assert.equal(verified.code, 0, verified.stdout)
  }
})

test('a program that SIGKILL ends twice comes to the same model', async () => {
  const { code, stderr, stdout } = await run('dies', 'dies')
  assert.equal(code, 0, stderr)
  assert.equal(stdout.match(/"ProgramStarted"/g)?.length, 3)
  assert.deepEqual(await outputOf('dies'), await outputOf('whole'))
})

test('a program that asks something else fails the run, and names what', async () => {
  const { code, stderr } = await run('else', 'asks-else')
  assert.equal(code, 1)
  assert.match(stderr, /exchange 2, message 1 to a: its kind was "train" and is "evaluate"/)
})
