// The first two mistakes of a newcomer: an old Node, and no npm ci.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const START = 'scripts/start.js'

function start(cwd: string, args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [...args], { cwd, encoding: 'utf8' })
  return { status, stdout, stderr }
}

/** Runs before the program. */
const preload = (code: string): string => `--import=data:text/javascript,${encodeURIComponent(code)}`
const pretend = (version: string): string =>
  preload(`Object.defineProperty(process.versions, 'node', { value: '${version}' })`)

test('an old Node learns which one is needed', () => {
  for (const old of ['14.13.1', '20.20.2', '24.11.9']) {
    const { status, stdout, stderr } = start(ROOT, [pretend(old), START, 'test.ts', '--help'])
    assert.equal(status, 1)
    assert.equal(stdout, '')
    assert.match(stderr, /^this is Node [\d.]+ \(.*\), and Node 24\.12 or newer is needed\n {2}run npm ci,/)
    assert.equal(stderr.split('\n').length, 3)
  }
})

test('a Node that is new enough starts the script with its arguments', () => {
  for (const version of ['24.12.0', '25.0.0']) {
    const { status, stdout } = start(ROOT, [pretend(version), START, 'test.ts', '--help'])
    assert.equal(status, 0)
    assert.match(stdout, /^usage: npm test/)
  }
})

test('missing packages are named, with what to do', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-start-'))
  t.after(() => rm(folder, { recursive: true }))
  await cp(join(ROOT, 'scripts/start.js'), join(folder, 'scripts/start.js'))
  await cp(join(ROOT, 'package.json'), join(folder, 'package.json'))
  await writeFile(join(folder, 'scripts/script.ts'), "import 'valibot'")
  const { status, stderr } = start(folder, [START, 'script.ts'])
  assert.equal(status, 1)
  assert.match(stderr, /^Cannot find package 'valibot' .*\n {2}install the packages: npm ci\n$/)
  await writeFile(join(folder, 'scripts/script.ts'), "import './absent.ts'")
  assert.match(start(folder, [START, 'script.ts']).stderr, /absent\.ts/)
})

test('the commands of the README start so, and old Nodes can read the file', async () => {
  const { scripts } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'))
  for (const name of ['demo', 'test', 'cluster']) assert.equal(scripts[name], `node ${START} ${name}.ts`)
  const code = (await readFile(join(ROOT, START), 'utf8')).replace(/^\s*\/\/.*$/gm, '')
  assert.doesNotMatch(code, /\?\?|\?\.|\|\|=|&&=|#\w+|static \{/)
  assert.doesNotMatch(code, /^(import|export|await|const .*= await|if .*await)\b/m)
})
