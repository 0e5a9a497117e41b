// The model card repeats names that clients chose. Markdown shows them and obeys none of them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sha256 } from '#protocol/digest.ts'
import type { RoundResult, RunRecord } from '#protocol/record.ts'
import { markdownText, modelCard } from './model-card.ts'

test('a plain name stays as it is', () => {
  for (const name of ['dice', 'val/iou-0.5', 'Dice 95%', 'Übereinstimmung']) {
    assert.equal(markdownText(name), name)
  }
})

const hostile: readonly [what: string, name: string, text: string][] = [
  ['HTML', '<script>x</script>', '\\<script\\>x\\</script\\>'],
  ['a link', '[a](http://b)', '\\[a\\]\\(http\\://b\\)'],
  ['a cell of a table', 'a|b', 'a\\|b'],
  ['lines', 'a\n\n# b\u2028c', 'a \\# b c'],
  ['an escape of the terminal', 'a\u001b[2Jb', 'a \\[2Jb'],
  ['another direction of writing', 'a\u202eb', 'a b'],
  ['no end', 'a'.repeat(5000), 'a'.repeat(60)],
]
for (const [what, name, text] of hostile) {
  test(`a name that is ${what} is shown and not interpreted`, () => {
    assert.equal(markdownText(name), text)
  })
}

/** The card of a run that trained the checkpoint at this address. */
function cardOf(uri: string): string[] {
  const run = { name: 'job', spec: {}, base: { uri, digest: 'd', files: [] } } as unknown as RunRecord
  const chosen = { round: 1, tensors: [] } as unknown as RoundResult
  return modelCard({ run, chosen, evaluation: null, results: [], history: [] }).split('\n')
}

test('the address of the checkpoint is written as it is', () => {
  for (const uri of [
    'hf://facebook/sam-vit-base@main',
    's3://bucket/sam',
    'models/sam-tiny_1.0',
    '/models/sam',
  ]) {
    const card = cardOf(uri)
    const written = uri.startsWith('/') ? `"${uri}"` : uri
    assert.ok(card.includes(`base_model: ${written}`), card.join('\n'))
    assert.ok(card.some((line) => line.includes(` \`${uri}\` (pinned`)))
  }
})

test('an address of the checkpoint ends neither the front matter nor the code', () => {
  const card = cardOf('models/a`b\n---\n# Verified: by nobody')
  assert.equal(card[2], 'base_model: "models/a`b\\n---\\n# Verified: by nobody"')
  assert.equal(card.filter((line) => line === '---').length, 2)
  assert.ok(card.some((line) => line.includes('models/a\\`b --- \\# Verified\\: by nobody (pinned')))
})

test('the text of a card is pinned: fedsam verify derives the cards of older records', () => {
  const payload = { key: 'rounds/1/1/model.safetensors', size: 1, sha256: 'a'.repeat(64), blocks: [] }
  const chosen: RoundResult = {
    schema: 'fedsam.result/1',
    ...{ epoch: 1, round: 1, attempt: 1, run: 'b'.repeat(64) },
    ...{ plan: null, decision: null, previous: null, model: payload, state: null, origin: null },
    tensors: [{ name: 'weight', shape: [2, 3], dtype: 'F32', rule: 'Optimise' }],
    ...{ metrics: {}, timings: {} },
  }
  const run = {
    schema: 'fedsam.run/1',
    ...{ name: 'toy', uid: 'u', seed: 1 },
    spec: { output: { fullCheckpoint: true } },
    base: { uri: 'models/toy', digest: 'c'.repeat(64), files: [] },
  } satisfies RunRecord
  const evaluation = { loss: 0.25, numExamples: 12, metrics: { dice: 0.5 } }
  const results = [chosen, chosen].map((value) => ({ value, digest: 'd'.repeat(64) }))
  const card = modelCard({ run, chosen, evaluation, results, history: [{ round: 1, evaluation }] })
  assert.equal(
    sha256(new TextEncoder().encode(card)),
    '1f68cab6d3cf77ed570108b84c688b425e5d12dd0ef56c8edd01e59a38507006',
    card,
  )
})
