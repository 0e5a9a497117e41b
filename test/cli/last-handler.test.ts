// However a program ends, users read one line of what happened and one of what to do. Details of a defect are in a file.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { unexpectedWord } from '#runtime/termination-message.ts'
import { ROOT, startFedsam } from './fedsam.ts'

let dir = ''
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'fedsam-last-'))
})
after(() => rm(dir, { recursive: true, force: true }))

/** Node options that run this code before the program. */
const preload = (code: string): string => `--import=data:text/javascript,${encodeURIComponent(code)}`

interface Ended {
  readonly code: unknown
  readonly stdout: string
  readonly stderr: string
}

function node(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      args,
      { cwd: ROOT, env: { ...process.env, ...env } },
      (error, stdout, stderr) => resolve({ code: error === null ? 0 : error.code, stdout, stderr }),
    )
    child.stdin?.end()
  })
}

const DEFECTS = {
  'an error within a command': 'Object.hasOwn = () => { throw new TypeError("broken\\nby us") }',
  'an error that nobody waits for': 'setTimeout(() => { throw new TypeError("broken\\nby us") })',
  'a rejection that nobody handles': 'Promise.reject(new TypeError("broken\\nby us"))',
}
for (const [what, code] of Object.entries(DEFECTS)) {
  test(`${what} is one line and a file with the details`, async () => {
    const { code: exit, stderr } = await node(
      [preload(code), 'cli/fedsam.js', 'plan', 'examples/brain-tissue.yaml'],
      {
        TMPDIR: dir,
      },
    )
    assert.equal(exit, 1, stderr)
    const [, file] =
      /^fedsam: unexpected error: TypeError: broken\n {2}this is a defect .* details: (\S+)\n$/.exec(
        stderr,
      ) ?? []
    assert.ok(file, stderr)
    assert.match(await readFile(file, 'utf8'), /TypeError: broken\nby us\n +at /)
    assert.equal((await stat(file)).mode & 0o777, 0o600)
  })
}

test('a program of a pod writes the same as one line of JSON', async () => {
  const program = `
    import { runProgram } from ${JSON.stringify(new URL('../../runtime/run-program.ts', import.meta.url).href)}
    await runProgram(process.env, async () => { throw new TypeError('broken\\nby us') })`
  const env = { TMPDIR: dir, FEDSAM_TERMINATION_LOG: join(dir, 'word') }
  const { code, stderr } = await node(['--input-type=module', '-e', program], env)
  assert.equal(code, 75, stderr)
  const word = JSON.parse(stderr) as { code: string; message: string; remedy: string }
  assert.deepEqual(JSON.parse(await readFile(join(dir, 'word'), 'utf8')), word)
  assert.equal(word.code, 'Unexpected')
  assert.equal(word.message, 'unexpected error: TypeError: broken')
  assert.match(await readFile(word.remedy.split(': ').at(-1)!, 'utf8'), /by us\n +at /)
})

test('without a folder for the details, the message says that they could not be written', () => {
  const { message, remedy } = unexpectedWord(new Error('x'.repeat(5000)), join(dir, 'nowhere'))
  assert.ok(message.length < 400)
  assert.match(remedy, /could not be written to/)
})

describe('a program that is started by hand', () => {
  const starts: readonly [file: string, code: number, says: RegExp][] = [
    ['cli/main.ts', 2, /fedsam run JOB\.yaml/],
    ['coordinator/main.ts', 78, /FEDSAM_JOB_FILE/],
    ['worker/main.ts', 78, /FEDSAM_CLIENT/],
    ['worker/source/main.ts', 78, /FEDSAM_SOURCE_URI/],
    ['worker/trainer/main.ts', 78, /without its settings/],
    ['operator/main.ts', 78, /FEDSAM_WORKER_IMAGE/],
  ]
  for (const [file, code, says] of starts) {
    test(`${file} names the missing input`, async () => {
      const ended = await node([file])
      assert.equal(ended.code, code, ended.stderr)
      assert.match(ended.stdout + ended.stderr, says)
    })
  }
})

describe('an old Node', () => {
  test('gets a message with the required version, by either name of the command', async () => {
    const old = preload("Object.defineProperty(process.versions, 'node', { value: '20.1.0' })")
    const { code, stderr } = await node([old, 'cli/fedsam.js', 'run', 'job.yaml'])
    assert.equal(code, 2)
    assert.match(
      stderr,
      /^fedsam: needs Node 24\.12 or newer, and this is Node 20\.1\.0 \(.*\)\n {2}install Node 24/,
    )
    const { bin, engines } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'))
    assert.deepEqual([...new Set(Object.values(bin))], ['cli/fedsam.js'])
    assert.equal(engines.node, '>=24.12')
  })

  test('can read the executable: nothing in it is newer than Node 12', async () => {
    const code = (await readFile(join(ROOT, 'cli/fedsam.js'), 'utf8')).replace(/^\s*\/\/.*$/gm, '')
    assert.doesNotMatch(code, /\?\?|\?\.|\|\|=|&&=|#\w+|static \{/)
    assert.doesNotMatch(code, /^(import|export|await|const .*= await|if .*await)\b/m)
  })
})

test('missing packages are named, with a remedy', async () => {
  const { code, stderr } = await node([
    preload(
      "import { register } from 'node:module'; register('data:text/javascript,export async function resolve(s, c, n) { if (s.includes(`main.ts`)) { const e = new Error(`Cannot find package x`); e.code = `ERR_MODULE_NOT_FOUND`; throw e } return n(s, c) }')",
    ),
    'cli/fedsam.js',
    '--help',
  ])
  assert.equal(code, 1, stderr)
  assert.match(stderr, /fedsam: its files cannot be loaded: Error: Cannot find package x\n {2}.*npm ci\n$/)
})

test('an unknown command is two lines', async () => {
  const { code, stderr } = await startFedsam(dir, ['fly\u001b[2J'])
  assert.equal(code, 2)
  assert.equal(stderr, 'fedsam: there is no command fly[2J\n  list the commands: fedsam --help\n')
  assert.ok((await readdir(dir)).length > 0)
})
