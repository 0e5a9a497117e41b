// `fedsam run` on an output that is in use, complete, of another job, of the other kind, or no place for a run.
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { sha256 } from '#protocol/digest.ts'
import { type Ended, startFedsam, toyJob } from './fedsam.ts'

let dir = ''
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'fedsam-outputs-'))
  await writeFile(join(dir, 'toy.yaml'), toyJob(2))
})
after(() => rm(dir, { recursive: true, force: true }))

const run = (output: string, ...more: string[]): Promise<Ended> =>
  startFedsam(dir, ['run', 'toy.yaml', '--output', output, ...more])
const modelOf = async (output: string): Promise<string> =>
  sha256(await readFile(join(dir, output, 'output', 'model.safetensors')))

/** One line of what happened, one of what to do; no stack trace. */
function assertRefused({ code, stderr }: Ended, message: RegExp): void {
  assert.equal(code, 2, stderr)
  assert.match(stderr, message)
  assert.equal(stderr.trimEnd().split('\n').length, 2, stderr)
}

describe('a finished run', () => {
  test('with more rounds continues, to the same model as a run that has them from the start', async () => {
    assert.equal((await run('raised')).code, 0)
    const earlier = await modelOf('raised')
    const { code, stdout, stderr } = await run('raised', '--set', 'rounds=4')
    assert.equal(code, 0, stderr)
    assert.match(stdout, /complete after round 2; the run continues to round 4/)
    assert.match(stdout, /^complete after 4 rounds/m)
    assert.equal((await run('whole', '--set', 'rounds=4')).code, 0)
    assert.equal(await modelOf('raised'), await modelOf('whole'))
    assert.equal((await startFedsam(dir, ['verify', 'raised'])).code, 0)
    const kept = await readFile(join(dir, 'raised', 'replaced', '1', 'output', 'model.safetensors'))
    assert.equal(sha256(kept), earlier)
  })

  test('is reported as complete for the same job, and starts nothing', async () => {
    const { code, stdout } = await run('whole', '--set', 'rounds=4')
    assert.equal(code, 0)
    assert.match(
      stdout,
      /^complete after 4 rounds.*\nthe job has not changed and its output is complete, so nothing was run$/m,
    )
    assert.doesNotMatch(stdout, /joined|starting/)
  })

  test('of a changed job is rejected with the differences', async () => {
    assertRefused(await run('whole', '--set', 'rounds=3'), /spec\.rounds is 3 and was 4/)
    assertRefused(
      await run('whole', '--set', 'rounds=4', '--set', 'seed=5'),
      /the run of another job: spec\.seed is 5 and was 0/,
    )
    assertRefused(
      await run('whole', '--set', 'rounds=4', '--set', 'round.deadlineSeconds=77'),
      /spec\.round\.deadlineSeconds is 77 and was \d+/,
    )
    assertRefused(await run('whole', '--processes'), /a run in one process/)
  })
})

test('an output is rejected while another process uses it, and accepted after that process is killed', async () => {
  const args = ['run', 'toy.yaml', '--output', 'busy', '--set', 'rounds=100000']
  const begun = Promise.withResolvers<ChildProcess>()
  const first = startFedsam(dir, args, {
    onLine: (line, child) => {
      if (/^round +1\//.test(line)) begun.resolve(child)
    },
  })
  const child = await Promise.race([begun.promise, first.then(({ stderr }) => assert.fail(stderr))])
  const second = await run('busy', '--set', 'rounds=100000')
  assertRefused(second, new RegExp(`busy is in use by process ${child.pid}\n`))
  const verified = await startFedsam(dir, ['verify', 'busy'])
  assert.match(verified.stdout, /the output is not complete/)
  child.kill('SIGKILL')
  await first
  const third = await run('busy', '--set', 'rounds=1')
  assert.equal(third.code, 0, third.stderr)
})

describe('an unusable output is rejected with exit code 2', () => {
  test('special files, files, and file systems that accept no folders', async () => {
    await writeFile(join(dir, 'file'), '')
    for (const output of [
      '/proc/fedsam',
      '/proc/fedsam/below',
      '/sys/fedsam',
      '/dev/null',
      'file',
      'file/below',
    ]) {
      assertRefused(await run(output), /fedsam: .* cannot be written \(E[A-Z]+\)\n/)
    }
  })

  test('a folder with other content', async () => {
    await mkdir(join(dir, 'mine', 'base'), { recursive: true })
    assertRefused(await run('mine'), /mine is not empty and holds no run/)
  })

  const junk: readonly [what: string, text: string | Uint8Array][] = [
    ['cut off', '{"name": '],
    ['empty', ''],
    ['of no fields', '{}'],
    ['a list', '[1, 2]'],
    ['a number', '1e999'],
    ['deep', '['.repeat(200_000) + ']'.repeat(200_000)],
    ['binary', Uint8Array.from({ length: 4096 }, (_, i) => (i * 37) % 256)],
    [
      'of a foreign base',
      JSON.stringify({
        schema: 'fedsam.run/1',
        name: 'toy',
        uid: 'local',
        spec: {},
        seed: 0,
        base: {
          uri: 'x',
          digest: '0'.repeat(64),
          files: [{ name: '../../x', size: 1, sha256: '0'.repeat(64) }],
        },
      }),
    ],
  ]
  for (const [what, text] of junk) {
    test(`a record whose run.json is ${what}, by run, verify and export`, async () => {
      const folder = join(dir, what.replaceAll(' ', '-'))
      await mkdir(join(folder, 'output'), { recursive: true })
      await writeFile(join(folder, 'run.json'), text)
      await writeFile(join(folder, 'output', 'manifest.json'), '{}')
      assertRefused(await run(folder), /holds a damaged record: run\.json/)
      for (const args of [
        ['verify', folder],
        ['export', folder, '--to', 'nowhere'],
      ]) {
        const { code, stdout, stderr } = await startFedsam(dir, args)
        assert.equal(code, 1, stderr)
        assert.match(stdout + stderr, /run\.json/)
        assert.doesNotMatch(stdout + stderr, /^ +at /m)
      }
      await assert.rejects(stat(join(dir, 'nowhere')))
    })
  }
})

test('a run that ends before its record begins leaves a folder that the next run accepts', async () => {
  await mkdir(join(dir, 'early', '.lock~'), { recursive: true })
  await mkdir(join(dir, 'early', 'scratch'), { recursive: true })
  const { code, stderr } = await run('early')
  assert.equal(code, 0, stderr)
  assert.ok((await readdir(join(dir, 'early'))).includes('run.json'))
})

describe('an export', () => {
  const exported = (...args: string[]): Promise<Ended> => startFedsam(dir, ['export', ...args])

  test('goes to a new or empty folder outside of the record', async () => {
    assertRefused(await exported('whole', '--to', 'toy.yaml'), /toy\.yaml cannot be written \(ENOTDIR\)/)
    assertRefused(await exported('whole', '--to', 'toy.yaml/below'), /below cannot be written \(ENOTDIR\)/)
    assertRefused(await exported('whole', '--to', 'raised'), /raised is not empty/)
    assertRefused(await exported('whole', '--to', 'whole/model'), /within the run's own output/)
    assertRefused(await exported('whole', '--to', '/proc/fedsam'), /cannot be written \(ENOENT\)/)
  })

  test('has the head that the user expects, or is rejected', async () => {
    const { stdout } = await startFedsam(dir, ['verify', 'whole'])
    const [, head] = /^head (sha256:[0-9a-f]{64})$/m.exec(stdout)!
    const other = `sha256:${'0'.repeat(64)}`
    for (const args of [
      ['verify', 'whole'],
      ['export', 'whole', '--to', 'expected'],
    ]) {
      const refused = await startFedsam(dir, [...args, '--expect-head', other])
      assert.equal(refused.code, 1)
      assert.match(
        refused.stdout + refused.stderr,
        new RegExp(`--expect-head names the head ${other}, .*${head}`),
      )
      assert.equal((await startFedsam(dir, [...args, '--expect-head', head!])).code, 0)
    }
    assert.equal((await startFedsam(dir, ['verify', 'whole', '--expect-head', 'x'])).code, 2)
  })

  test('of a damaged record writes nothing and names the damage', async () => {
    const card = join(dir, 'raised', 'output', 'README.md')
    await rm(card)
    await symlink('/etc/passwd', card)
    const linked = await exported('raised', '--to', 'stolen')
    assert.equal(linked.code, 1)
    assert.match(linked.stderr, /README\.md is a link/)
    await rm(card)
    await writeFile(card, 'another card')
    const changed = await exported('raised', '--to', 'stolen')
    assert.equal(changed.code, 1)
    assert.match(changed.stderr, /nothing was exported\n {2}output\/README\.md is not what/)
    await assert.rejects(stat(join(dir, 'stolen')))
  })
})

test('a run in several processes keeps its files private to its user, and accepts more rounds too', async () => {
  const first = await run('processes', '--processes')
  assert.equal(first.code, 0, first.stderr)
  for (const file of ['servers/coordinator.json', 'job.json']) {
    assert.equal((await stat(join(dir, 'processes', file))).mode & 0o777, 0o600, file)
  }
  assertRefused(await run('processes'), /holds the record of a run in several processes/)
  const second = await run('processes', '--processes', '--set', 'rounds=4')
  assert.equal(second.code, 0, second.stderr)
  assert.match(second.stdout, /complete after round 2; the run continues to round 4/)
  assert.equal(await modelOf('processes'), await modelOf('whole'))
})
