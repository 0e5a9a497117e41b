// Real runs of node's test runner, in one report of the runner's own reporter.
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run, type TestContext, test } from 'node:test'
import { spec } from 'node:test/reporters'
import { stripVTControlCharacters } from 'node:util'
import { inOneReport, type ReportOptions, type TestEvent } from './report.ts'

const GOOD = "test('three', () => {})"
const BAD = "test('one', () => {}); test('two', () => { throw new Error('broken') })"
const SKIPPING = "test('four', { skip: true }, () => {})"

/** Runs test files with these texts, one run a file. Resolves to the report's text and events. */
async function reportOf(
  t: TestContext,
  texts: readonly string[],
  options: ReportOptions,
): Promise<{ text: string; events: TestEvent[] }> {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-report-'))
  t.after(() => rm(folder, { recursive: true }))
  const files = await Promise.all(
    texts.map(async (body, i) => {
      const file = join(folder, `${i}.mjs`)
      await writeFile(file, `import { test } from 'node:test'\n${body}\n`)
      return file
    }),
  )
  // The runner refuses to run inside of a test's process while this variable is set.
  const context = process.env.NODE_TEST_CONTEXT
  delete process.env.NODE_TEST_CONTEXT
  const seen: TestEvent[] = []
  let text = ''
  try {
    const report = inOneReport(
      files.map((file) => () => run({ files: [file] })),
      options,
    )
    report.on('data', (event: TestEvent) => seen.push(event))
    for await (const chunk of report.compose(new spec())) text += chunk
  } finally {
    if (context !== undefined) process.env.NODE_TEST_CONTEXT = context
  }
  return { text: stripVTControlCharacters(text), events: seen }
}

test('failures and counts of all runs are reported once, at the end', async (t) => {
  const { text, events } = await reportOf(t, [BAD, GOOD], { remarks: ['not run: the rest'] })
  assert.match(text, /not run: the rest\n. tests 3\n. suites 0\n. pass 2\n. fail 1\n/)
  assert.equal(text.match(/^. tests /gm)?.length, 1)
  assert.equal(text.match(/failing tests/g)?.length, 1)
  assert.equal(events.filter(({ type }) => type === 'test:fail').length, 1)
  assert.equal(events.at(-1)?.data.success, false)
})

test('a skipped test fails the run where skips are not allowed, and says so', async (t) => {
  const strict = await reportOf(t, [SKIPPING, GOOD], { failOnSkips: true })
  assert.equal(strict.events.at(-1)?.data.success, false)
  assert.match(strict.text, /this run fails because it skipped 1 tests[\s\S]*skipped 1\n/)
  const lenient = await reportOf(t, [SKIPPING, GOOD], {})
  assert.equal(lenient.events.at(-1)?.data.success, true)
  const clean = await reportOf(t, [GOOD], { failOnSkips: true })
  assert.equal(clean.events.at(-1)?.data.success, true)
})
