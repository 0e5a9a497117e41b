// `fedsam site key` and `fedsam site check` as their users start them: each finding, and the exit codes.
import assert from 'node:assert/strict'
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { startFedsam } from '#test/cli/fedsam.ts'

const FILE = `key: site.key
folder: state
federations:
  - name: heart
    trust: [${'5eed'.repeat(16)}]
    bus: wss://fed.example.org/bus
    store: https://fed.example.org
    jobs: [{job: team/a, dataset: table, trainer: own}]
datasets: {table: {path: table}}
trainers: {own: {command: [train]}}
`

async function folderOf(t: TestContext, text = FILE): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-site-check-'))
  t.after(() => rm(folder, { recursive: true }))
  await writeFile(join(folder, 'site.yaml'), text)
  return folder
}

/** The verdict and the subject of each line. */
const verdicts = (text: string): string[] =>
  text.split('\n').flatMap((line) => /^(ok|problem) +([^:]+):/.exec(line)?.slice(1).join(' ') ?? [])

test('a key is printed alone, and the check finds it and its neighbours', async (t) => {
  const folder = await folderOf(t)
  await mkdir(join(folder, 'table'))
  const made = await startFedsam(folder, ['site', 'key', 'site.key'])
  assert.match(made.stdout, /^[0-9a-f]{64}\n$/)
  assert.match(made.stderr, /^give these digits to the federation; [^\n]+\n$/)
  const again = await startFedsam(folder, ['site', 'key', 'site.key'])
  assert.equal(again.stdout, made.stdout)
  const checked = await startFedsam(folder, ['site', 'check', 'site.yaml'])
  assert.deepEqual(
    verdicts(checked.stdout).filter((one) => !one.endsWith('folder')),
    ['ok file', 'ok version', 'ok key', 'ok ledger', 'ok data table'],
  )
  assert.ok(checked.stdout.replace(/\s+/g, ' ').includes(made.stdout.trim()))
})

test('what is missing is a problem each, with what to do', async (t) => {
  const folder = await folderOf(
    t,
    FILE.replace('folder: state', 'folder: a/b/c').replace('    bus', '    ca: no.pem\n    bus'),
  )
  const { stdout, code } = await startFedsam(folder, ['site', 'check', 'site.yaml'])
  assert.equal(code, 1)
  assert.deepEqual(verdicts(stdout), [
    'ok file',
    'ok version',
    'problem key',
    'problem folder',
    'ok ledger',
    'problem ca',
    'problem data table',
  ])
  assert.match(stdout, /fedsam site key \S*site\.key/)
  assert.match(stdout, /site\.yaml:2\b/)
})

test('a key that others can read, and a file with mistakes, are problems', async (t) => {
  const folder = await folderOf(t)
  await startFedsam(folder, ['site', 'key', 'site.key'])
  await chmod(join(folder, 'site.key'), 0o644)
  await mkdir(join(folder, 'state'))
  const files = [join(folder, 'state', 'audit.jsonl'), join(folder, 'state', 'ledger.json')] as const
  for (const file of files) await writeFile(file, '{}\n')
  const open = await startFedsam(folder, ['site', 'check', 'site.yaml'])
  const found = verdicts(open.stdout)
  for (const one of ['problem key', 'problem ledger', 'problem audit log'])
    assert.ok(found.includes(one), one)
  await chmod(files[0], 0o600)
  const { stdout } = await startFedsam(folder, ['site', 'check', 'site.yaml'])
  assert.ok(verdicts(stdout).includes('ok audit log'))
  await writeFile(join(folder, 'site.yaml'), FILE.replace('dataset: table', 'dataset: tables'))
  const wrong = await startFedsam(folder, ['site', 'check', 'site.yaml'])
  assert.equal(wrong.code, 1)
  assert.match(wrong.stdout, /problem +file: site\.yaml:8:\d+: /)
})

test('a job file is judged as the offer of a coordinator is, with the line that decides', async (t) => {
  const folder = await folderOf(t, FILE.replace('team/a', 'team/toy'))
  await mkdir(join(folder, 'table'))
  const judged = async (command: string): Promise<string> => {
    await writeFile(
      join(folder, 'job.yaml'),
      `apiVersion: fedsam.dev/v1alpha1
kind: FederatedJob
metadata: {name: toy, namespace: team}
spec:
  trainer: {type: Command, command: {command: [${command}]}}
  partitions: [{name: site-a}, {name: site-b}]
`,
    )
    const args = ['site', 'check', 'site.yaml', '--job', 'job.yaml', '--client', 'site-a']
    return (await startFedsam(folder, args)).stdout.replace(/\s+/g, ' ')
  }
  assert.match(
    await judged('train'),
    /ok job team\/toy: the site takes part as site-a, with the data set table/,
  )
  assert.match(
    await judged('rm, -rf, /'),
    /problem job team\/toy: the site refuses: the job names a command that the site did not install site\.yaml:10 decides/,
  )
  const text = await readFile(join(folder, 'job.yaml'), 'utf8')
  await writeFile(join(folder, 'job.yaml'), `${text}  rounds: none\n  sites: 2\n`)
  const args = ['site', 'check', 'site.yaml', '--job', 'job.yaml', '--client', 'site-a']
  const wrong = (await startFedsam(folder, args)).stdout.replace(/\s+/g, ' ')
  assert.equal(wrong.match(/problem job: job\.yaml:\d+: spec\.(rounds|sites): /g)?.length, 2, wrong)
  const alone = await startFedsam(folder, ['site', 'check', 'site.yaml', '--job', 'job.yaml'])
  assert.equal(alone.code, 2)
})
