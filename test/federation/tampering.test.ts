// Programs that tamper with a finished record or its output. `fedsam verify` finds each and names the object; `fedsam export` prints
// the same sentence and writes nothing. A record that was rewritten as a whole is found with a digest from another source.
import assert from 'node:assert/strict'
import { mkdtemp, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { exportRun } from '#cli/commands/export.ts'
import { checkRecord } from '#cli/run/checked-record.ts'
import { openRecordFolder } from '#cli/run/record-folder.ts'
import { encodeJson } from '#protocol/canonical.ts'
import { MANIFEST_KEY } from '#protocol/keys.ts'
import { startFedsam } from '../cli/fedsam.ts'
import { finishedRecord, type Objects, rechain, writeInto } from './tampered.ts'
import { head, TAMPERINGS } from './tamperings.ts'

/** A public key that nobody has. */
const STRANGER = 'a'.repeat(64)

/** The record, and that of another run under the same name. */
let sound: Objects
let other: Objects
let folder = ''
before(async () => {
  sound = await finishedRecord()
  other = await finishedRecord({ fixed: { seed: 8 } })
  folder = await mkdtemp(join(tmpdir(), 'fedsam-tampering-'))
})
after(() => rm(folder, { recursive: true, force: true }))

/** Runs `export` in this process; resolves to its exit code and what it printed to standard error. */
async function exported(
  record: string,
  ...more: readonly string[]
): Promise<{ code: number; said: string; made: readonly string[] }> {
  const target = `${record}-exported`
  const write = process.stderr.write
  let said = ''
  process.stderr.write = ((text: string) => {
    said += text
    return true
  }) as typeof write
  try {
    const code = await exportRun([record, '--to', target, ...more])
    return { code, said, made: await readdir(target).catch(() => []) }
  } finally {
    process.stderr.write = write
  }
}

const problemsOf = async (record: string, expected?: string): Promise<string> =>
  (
    await checkRecord(await openRecordFolder(record), {
      anchors: { head: expected, trust: [] },
      reported: {},
    })
  ).problems.join('\n')

let count = 0
async function recordOf(objects: Objects): Promise<string> {
  count += 1
  const record = join(folder, `record-${count}`)
  await writeInto(record, objects)
  return record
}

describe('a finished record', () => {
  test('that nobody touched is sound, and is exported', async () => {
    const record = await recordOf(sound)
    assert.equal(await problemsOf(record, head(sound)), '')
    const { code, made } = await exported(record)
    assert.deepEqual([code, made.includes('model.safetensors')], [0, true])
  })

  for (const { what, tamper, consistent, says } of TAMPERINGS) {
    test(`with ${what} is found, and not exported`, async () => {
      const objects: Objects = new Map(sound)
      tamper(objects, other)
      if (consistent) await rechain(objects)
      const record = await recordOf(objects)
      const found = await problemsOf(record)
      assert.match(found, says)
      const { code, said, made } = await exported(record)
      assert.deepEqual([code, made], [1, []])
      for (const sentence of found.split('\n').slice(0, 20)) assert.ok(said.includes(sentence), said)
    })
  }

  test('whose manifest is gone lacks its output, and is not exported', async () => {
    const objects = new Map(sound)
    objects.delete(MANIFEST_KEY)
    const record = await recordOf(objects)
    const { stdout, code } = await startFedsam(folder, ['verify', record])
    assert.equal(code, 1)
    assert.match(stdout, /^the last round has ended, but output\/manifest\.json is missing\n/)
    assert.match(stdout, /^the output is not complete$/m)
    assert.match(stdout, /\nthe output is missing: wait if [^\n]*\n$/)
    const { code: refused, said, made } = await exported(record)
    assert.deepEqual([refused, made], [1, []])
    assert.match(said, /\n {2}the output is missing: wait if [^\n]*\n$/)
  })

  test('that does not fit what the user knows of it names what to compare, and blames no copy', async () => {
    const record = await recordOf(sound)
    const roster = join(folder, 'roster.json')
    await writeFile(roster, JSON.stringify(Object.fromEntries(['a', 'b', 'c'].map((c) => [c, STRANGER]))))
    for (const [anchor, last] of [
      [['--expect-head', head(other)], /^the record ends with another result than --expect-head: compare /],
      [['--trust', STRANGER], /^no certifier of --trust vouches for the output: compare /],
      [['--roster', roster], /^the record does not fit the roster: ask the sites /],
    ] as const) {
      const { stdout, code } = await startFedsam(folder, ['verify', record, ...anchor])
      assert.equal(code, 1)
      assert.match(stdout.trimEnd().split('\n').at(-1)!, last)
      assert.doesNotMatch(stdout, /^the record (is sound|has \d)/m)
      const { said } = await exported(record, ...anchor)
      assert.match(said.trimEnd().split('\n').at(-1)!.trimStart(), last)
    }
  })

  for (const [what, path] of [
    ['file', 'output/model.safetensors'],
    ['marker', 'rounds/2/1/decision.json'],
    ['folder', 'output/checkpoint'],
  ] as const) {
    test(`with a link in the place of a ${what} is found, and not exported`, async () => {
      const record = await recordOf(sound)
      const elsewhere = join(folder, `elsewhere-${count}`)
      await rename(join(record, path), elsewhere)
      await symlink(elsewhere, join(record, path))
      assert.match(await problemsOf(record), /is a link, or in a folder that is a link$/m)
      const { code, said, made } = await exported(record)
      assert.deepEqual([code, made], [1, []])
      assert.match(said, /is a link/)
    })
  }

  test('that was replaced by the whole record of another run is found by --expect-head alone', async () => {
    const record = await recordOf(other)
    assert.equal(await problemsOf(record), '')
    const says = `--expect-head names the head sha256:${head(sound)}, but the record has sha256:${head(other)}`
    assert.equal(await problemsOf(record, head(sound)), says)
    const { code, said, made } = await exported(record, '--expect-head', `sha256:${head(sound)}`)
    assert.deepEqual([code, made], [1, []])
    assert.ok(said.includes(says))
  })

  test('verify and export end with code 1 and sentences, never with a stack trace', async () => {
    const record = await recordOf(sound)
    await writeFile(join(record, MANIFEST_KEY), encodeJson({ schema: 'fedsam.manifest/1' }))
    const verified = await startFedsam(folder, ['verify', record])
    assert.equal(verified.code, 1)
    assert.match(verified.stdout, /^output\/manifest\.json: \w+: .*\n(.*\n)*the record has 1 faults/m)
    const refused = await startFedsam(folder, ['export', record, '--to', 'refused'])
    assert.equal(refused.code, 1)
    assert.match(
      refused.stderr,
      /^fedsam: the record is not sound, so nothing was exported\n {2}output\/manifest/,
    )
    const stdio = verified.stderr + refused.stderr
    assert.doesNotMatch(stdio, /^ {4}at /m)
    const elsewhere = await startFedsam(folder, ['verify', record, '--expect-head', 'sha256:abc'])
    assert.equal(elsewhere.code, 2)
  })
})
