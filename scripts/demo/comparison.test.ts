import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { judge, verdictLine } from './claims.ts'
import { comparisonLines, comparisonOf, comparisonRow, gainLine, gainsOf, NAMES } from './comparison.ts'
import { freshFolder } from './folder.ts'

const SITES = ['a', 'b']
const table = (federated: number) =>
  comparisonOf(SITES, [
    comparisonRow(SITES, NAMES.box, [0.3, 0.5]),
    comparisonRow(SITES, NAMES.ellipse, [0.5, 0.7]),
    comparisonRow(SITES, NAMES.pretrained, [0.4, 0.6]),
    comparisonRow(SITES, NAMES.alone('a'), [0.9, 0.7], 'a'),
    comparisonRow(SITES, NAMES.alone('b'), [0.6, 0.9], 'b'),
    comparisonRow(SITES, NAMES.centralised, [0.8, 0.8]),
    comparisonRow(SITES, NAMES.federated, [federated, federated]),
  ])

test('a model of one site counts on the other sites only', () => {
  assert.equal(table(0.8).rows[3]!.mean, 0.7)
  const lines = comparisonLines(table(0.8))
  assert.match(lines[5]!, /trained on a alone +\(0\.900\) +0\.700 +0\.700 +over the other sites$/)
  assert.equal(new Set(lines.slice(2).map((line) => line.indexOf('.'))).size, 1, 'columns are aligned')
})

test('gains are differences of means', () => {
  const gains = gainsOf(table(0.8))
  const rounded = Object.fromEntries(
    Object.entries(gains).map(([name, value]) => [name, Number(value.toFixed(6))]),
  )
  assert.deepEqual(rounded, { overPretrained: 0.3, overEllipse: 0.2, overCentralised: 0, overAlone: 0.15 })
  assert.match(
    gainLine({ ...gains, overCentralised: -0.02 }),
    /\+0\.300 Dice against the pretrained.*−0\.020 against centralised/,
  )
})

test('a claim must hold with every seed', () => {
  const verdicts = judge([0.8, 0.62, 0.8].map((dice, seed) => ({ seed, gains: gainsOf(table(dice)) })))
  assert.deepEqual(
    verdicts.map(({ failed }) => failed),
    [[], [1], [1]],
  )
  assert.match(verdictLine(verdicts[0]!), /^holds with 3 of 3 seeds: federated beats the pretrained model/)
  assert.match(
    verdictLine(verdicts[1]!),
    /^FAILS with 2 of 3 seeds \(not with 1\): federated beats the ellipse/,
  )
})

test('the demo removes what a demo made, and nothing else', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'fedsam-demo-'))
  try {
    const own = join(dir, 'own')
    await freshFolder(own)
    await writeFile(join(own, 'report.html'), '')
    await freshFolder(own)
    assert.deepEqual(await readdir(own), ['.fedsam-demo'])
    const foreign = join(dir, 'foreign')
    await mkdir(foreign)
    await writeFile(join(foreign, 'thesis.txt'), 'years of work')
    await assert.rejects(freshFolder(foreign), { code: 'OutputInUse' })
    assert.deepEqual(await readdir(foreign), ['thesis.txt'])
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
})
