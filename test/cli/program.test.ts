// `fedsam run`, `plan`, `verify` and `export` of a job whose strategy is a program: how it starts, ends and fails, and its output.
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { type Ended, ROOT, startFedsam } from './fedsam.ts'

let dir = ''
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'fedsam-program-'))
  await writeFile(join(dir, 'strategy.mjs'), PROGRAM)
  await writeFile(join(dir, 'job.yaml'), JOB)
})
after(() => rm(dir, { recursive: true, force: true }))

/** Asks who is there, and leaves what it saw: the clients, its variables, its folder. Its argument is its exit code. */
const PROGRAM = `
import { readdirSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const read = async () => JSON.parse((await lines.next()).value)
const say = (line) => console.log(JSON.stringify(line))
const seen = readdirSync('.')
await read()
say({ id: 1, call: 'clients' })
const { clients } = await read()
if (process.env.ENDS_WITH !== '0') {
  console.error('it has no result')
  process.exit(Number(process.env.ENDS_WITH))
}
const { PYTHONHASHSEED, OMP_NUM_THREADS, MY_SECRET_KEY = 'none', MY_KEY } = process.env
writeFileSync('seen.json', JSON.stringify({ seen, clients, PYTHONHASHSEED, OMP_NUM_THREADS, MY_SECRET_KEY, MY_KEY }))
say({ id: 2, call: 'result', model: null, metrics: { clients: clients.length, bad: NaN }, files: ['seen.json'] })
await read()
`

const TRAINER = JSON.stringify(['node', `${ROOT}test/trainers/quadratic-main.ts`, 'toy', '10'])
const JOB = `apiVersion: fedsam.dev/v1alpha1
kind: FederatedJob
metadata: {name: programmed}
spec:
  strategy:
    type: Program
    program: {command: [node, ./strategy.mjs], env: [{name: ENDS_WITH, value: "0"}, {name: MY_KEY, value: of the job}]}
  trainer: {type: Command, command: {command: ${TRAINER}}}
  partitions: [{name: a}, {name: b}]
`

const FAILING = ['--set', 'strategy.program.env[0].value="7"']
const run = (output: string, ...more: string[]): Promise<Ended> =>
  startFedsam(dir, ['run', 'job.yaml', '--output', output, ...more], {
    env: { MY_SECRET_KEY: 'of the shell', PYTHONHASHSEED: '0' },
  })

describe('a program with a result', () => {
  test('runs in an empty folder, with the variables of the job and none of the shell', async () => {
    const { code, stdout, stderr } = await run('done')
    assert.equal(code, 0, stderr)
    assert.match(stdout, /^programmed: a program sends the messages$/m)
    assert.match(stdout, /^complete after 0 exchanges: clients 2.0000$/m)
    assert.match(stderr, /\[program\] FedSAM drops the metric "bad"/)
    const seen = JSON.parse(await readFile(join(dir, 'done/output/seen.json'), 'utf8'))
    assert.deepEqual(
      [seen.seen, seen.OMP_NUM_THREADS, seen.MY_SECRET_KEY, seen.MY_KEY],
      [[], '1', 'none', 'of the job'],
    )
    assert.match(seen.PYTHONHASHSEED, /^[1-9]\d+$/)
    assert.deepEqual(
      seen.clients.map(({ name, partition }: { name: string; partition: number }) => [name, partition]),
      [
        ['a', 0],
        ['b', 1],
      ],
    )
    const record = await readFile(join(dir, 'done/run.json'), 'utf8')
    assert.doesNotMatch(record, /of the job/, 'the record has no values of variables')
  })

  test('the record is sound, and signed', async () => {
    const { code, stdout } = await startFedsam(dir, ['verify', 'done'])
    assert.equal(code, 0, stdout)
    assert.match(stdout, /^a Program run of 0 exchanges/m)
    assert.match(stdout, /^the output is signed by the coordinator of epoch 1/m)
  })

  test('the same job starts nothing; another one is refused by the name of its field', async () => {
    const again = await run('done')
    assert.equal(again.code, 0, again.stderr)
    assert.match(again.stdout, /^complete after 0 exchanges: clients 2.0000\n.*so nothing was run$/m)
    const other = await run('done', ...FAILING)
    assert.equal(other.code, 2)
    assert.match(other.stderr, /spec\.strategy\.program\.env/)
  })

  test('export names the model of the output instead', async () => {
    const { code, stderr } = await startFedsam(dir, ['export', 'done', '--to', 'exported'])
    assert.equal(code, 2)
    assert.match(stderr, /done is a Program run.*\n.*copy output\/model\.safetensors/)
  })
})

test('a program that ends with a code fails the run; once the user has corrected it, the same output goes on', async () => {
  const own = ['--set', 'strategy.program.command=["node", "./corrected.mjs"]']
  const file = join(dir, 'corrected.mjs')
  await writeFile(file, "console.error('no result'); process.exit(3)")
  const failed = await run('failed', ...own)
  assert.equal(failed.code, 1, failed.stdout)
  assert.match(failed.stderr, /ended with code 3; the last line of its standard error: no result/)
  assert.match(failed.stdout, /^failed: the program node /m)
  await writeFile(file, PROGRAM)
  const { code, stdout, stderr } = await run('failed', ...own)
  assert.equal(code, 0, stderr)
  assert.match(stdout, /^complete after 0 exchanges/m)
})

test('plan describes the program', async () => {
  const { code, stdout } = await startFedsam(dir, ['plan', 'job.yaml'])
  assert.equal(code, 0)
  assert.deepEqual(stdout.split('\n').slice(0, 2), [
    'programmed: a program sends messages to 2 partitions',
    'program     node ./strategy.mjs',
  ])
})
