// Two real runs, one of them with a failure, in one report of the runner's own reporter.
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run, test } from 'node:test'
import { spec } from 'node:test/reporters'
import { stripVTControlCharacters } from 'node:util'
import { inOneReport, type TestEvent } from './report.ts'

test('failures and counts of all runs stand once, at the end', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-report-'))
  t.after(() => rm(folder, { recursive: true }))
  const file = async (name: string, text: string): Promise<string> => {
    await writeFile(join(folder, name), `import { test } from 'node:test'\n${text}\n`)
    return join(folder, name)
  }
  const bad = await file('bad.mjs', "test('one', () => {}); test('two', () => { throw new Error('broken') })")
  const good = await file('good.mjs', "test('three', () => {})")
  // The runner refuses to run inside of a test's process unless this is not set.
  const context = process.env.NODE_TEST_CONTEXT
  delete process.env.NODE_TEST_CONTEXT
  const seen: TestEvent[] = []
  let text = ''
  try {
    const report = inOneReport(
      [() => run({ files: [bad] }), () => run({ files: [good] })],
      ['not run: the rest'],
    )
    report.on('data', (event: TestEvent) => seen.push(event))
    for await (const chunk of report.compose(new spec())) text += chunk
  } finally {
    if (context !== undefined) process.env.NODE_TEST_CONTEXT = context
  }
  const plain = stripVTControlCharacters(text)
  assert.match(plain, /not run: the rest\n. tests 3\n. suites 0\n. pass 2\n. fail 1\n/)
  assert.equal(plain.match(/^. tests /gm)?.length, 1)
  assert.equal(plain.match(/failing tests/g)?.length, 1)
  assert.equal(seen.filter(({ type }) => type === 'test:fail').length, 1)
  assert.equal(seen.at(-1)?.data.success, false)
})
