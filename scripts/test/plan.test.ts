// What `npm test` says before it begins.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NO_DURATIONS } from './durations.ts'
import { estimateSeconds, longestFirst, spanText } from './estimates.ts'
import { type PlanFacts, planLines } from './plan.ts'

const FACTS: PlanFacts = {
  files: ['protocol/a.test.ts', 'protocol/b.test.ts', 'test/cli/c.test.ts'],
  concurrency: 2,
  endToEnd: ['test/e2e/d.test.ts'],
  leftOut: [],
  parts: [
    { name: 'Helm', cached: true, minutes: 4 },
    { name: 'Kubernetes', cached: false, minutes: 15 },
  ],
  recorded: {
    parts: { Helm: 130 },
    files: {
      'protocol/a.test.ts': 60,
      'protocol/b.test.ts': 20,
      'test/cli/c.test.ts': 20,
      'test/e2e/d.test.ts': 600,
    },
  },
  cache: '/home/me/.cache/fedsam',
}
const text = (changes: Partial<PlanFacts> = {}): string => planLines({ ...FACTS, ...changes }).join('\n')
/** Without its line breaks. */
const flat = (changes: Partial<PlanFacts>): string => text(changes).replace(/\s+/g, ' ')

test('files by folder, parts with what is cached, and times', () => {
  assert.equal(
    text(),
    `runs 3 test files, 2 at a time, the longest first: protocol:2, test/cli:1
runs 1 end-to-end file, one at a time: test/e2e:1
needs these parts, each built once into /home/me/.cache/fedsam; a cached one takes a second:
  Helm        cached    a build takes about 3 min
  Kubernetes  to build  takes about 15 min
the tests take about 11 min; with the builds before them about 26 min (4 files by the last run on this
  machine)
`,
  )
})

test('where nothing is recorded the committed averages count, and the plan says so', () => {
  assert.match(
    flat({ recorded: NO_DURATIONS }),
    /4 files by committed averages \(scripts\/test\/estimates\.ts\)/,
  )
})

test('what is left out is named', () => {
  const why = flat({ endToEnd: [], whyNotEndToEnd: 'a node needs root' })
  assert.match(why, /leaves out the end-to-end layer: a node needs root/)
  assert.match(
    flat({ leftOut: ['test/cluster/x.test.ts'] }),
    /leaves out 1 file whose tests need .* \(--fast\): test\/cluster:1/,
  )
})

test('how many files run at a time decides the estimate', () => {
  assert.match(text({ concurrency: 3 }), /^runs 3 test files, 3 at a time/)
  const files = { 'protocol/a.test.ts': 600, 'protocol/b.test.ts': 600, 'test/cli/c.test.ts': 600 }
  const of = { endToEnd: [], recorded: { parts: {}, files } }
  assert.match(flat({ ...of, concurrency: 3 }), /the tests take about 10 min/)
  assert.match(flat({ ...of, concurrency: 2 }), /the tests take about 15 min/)
})

test('fewer inputs of fuzz tests are named', () => {
  assert.match(
    flat({
      reduced: {
        FEDSAM_FUZZ_CASES: '1000',
        FEDSAM_LARGEST_BODY_MB: '512',
        FEDSAM_KILL_STEP: '7',
        FEDSAM_REPEATS: '1',
      },
    }),
    /each fuzz test reads 1000 inputs, not 10000 \(--fast\).*the largest body in a store has 512 MiB, not 5 GiB \(--fast\).*one in 7 kills at writes is made, not each \(--fast\).*each form of Flower's ten rounds runs 1 time, not 3 times \(--fast\)/s,
  )
  assert.doesNotMatch(flat({}), /fuzz/)
})

test('--fast is offered where it would leave something out', () => {
  assert.match(
    flat({ fast: ['protocol/a.test.ts'] }),
    /npm test -- --fast runs 1 file whose tests need no .* about 1 min/,
  )
  assert.doesNotMatch(text(), /--fast/)
})

test('files beside each other take half of their sum, and never less than the longest', () => {
  const files = { a: 10, b: 20, c: 70 }
  assert.equal(estimateSeconds(['a', 'b'], { parts: {}, files }, 2), 20)
  assert.equal(estimateSeconds(['a', 'b', 'c'], { parts: {}, files }, 2), 70)
  assert.equal(estimateSeconds(['a', 'b', 'c'], { parts: {}, files }, 1), 100)
  assert.equal(estimateSeconds([], { parts: {}, files }, 2), 0)
})

test('the longest file begins first, by what this machine measured, else by the averages', () => {
  const files = ['runtime/a.test.ts', 'protocol/b.test.ts', 'test/cluster/c.test.ts', 'protocol/d.test.ts']
  const recorded = { parts: {}, files: { 'runtime/a.test.ts': 50, 'protocol/d.test.ts': 0.1 } }
  assert.deepEqual(longestFirst(files, recorded), [
    'runtime/a.test.ts',
    'test/cluster/c.test.ts',
    'protocol/b.test.ts',
    'protocol/d.test.ts',
  ])
})

test('spans', () => {
  const spans = [0, 0.2, 59, 60, 61, 3540, 3541, 3600, 4200].map(spanText)
  assert.deepEqual(spans, ['1 s', '1 s', '59 s', '1 min', '2 min', '59 min', '1 h', '1 h', '1 h 10 min'])
})
