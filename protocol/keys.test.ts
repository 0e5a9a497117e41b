import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  attemptKeys,
  baseKey,
  epochKey,
  exchangeKeys,
  outputKey,
  PROGRAM_RESULT_KEY,
  parseKey,
  pieceKey,
  programKeys,
  RUN_KEY,
  replyPayloadKeys,
  replyStateKeys,
  resultKey,
} from './keys.ts'

const UPLOAD = '0123456789abcdef'

describe('keys', () => {
  test('are these, and no version of the program may change them', () => {
    const keys = attemptKeys(12, 3)
    assert.deepEqual(
      [epochKey(4), resultKey(12), keys.plan, keys.decision, keys.model, keys.state, outputKey('README.md')],
      [
        'coordinators/4.json',
        'rounds/12/result.json',
        'rounds/12/3/plan.json',
        'rounds/12/3/decision.json',
        'rounds/12/3/model.safetensors',
        'rounds/12/3/state.safetensors',
        'output/README.md',
      ],
    )
    assert.equal(keys.receipt('site-a'), 'rounds/12/3/updates/site-a.json')
    assert.equal(keys.payload('site-a', UPLOAD), `rounds/12/3/updates/site-a/${UPLOAD}.safetensors`)
    assert.equal(keys.states, 'rounds/12/3/states.json')
    assert.equal(keys.clientState('site-a', UPLOAD), `rounds/12/3/updates/site-a/${UPLOAD}.state`)
    assert.equal(
      pieceKey(keys.clientState('site-a', UPLOAD), 7),
      `rounds/12/3/updates/site-a/${UPLOAD}.state.7`,
    )
    assert.equal(pieceKey(keys.payload('site-a', UPLOAD), 7), `rounds/12/3/updates/site-a/${UPLOAD}.7`)
  })

  test('of exchanges are these, and no version of the program may change them', () => {
    const keys = exchangeKeys(4)
    const digest = 'd'.repeat(64)
    assert.deepEqual(
      [keys.ask, keys.decision, keys.replies, keys.states(digest), keys.content(digest), keys.reply('a', 7)],
      [
        'exchanges/4/ask.json',
        'exchanges/4/decision.json',
        'exchanges/4/replies/',
        `exchanges/4/states/${digest}.json`,
        `exchanges/4/contents/${digest}.records`,
        'exchanges/4/replies/a/7.json',
      ],
    )
    assert.equal(keys.payload('a', 7, UPLOAD), `exchanges/4/replies/a/7/${UPLOAD}.records`)
    assert.equal(keys.clientState('a', 7, UPLOAD), `exchanges/4/replies/a/7/${UPLOAD}.state`)
    assert.deepEqual(
      [PROGRAM_RESULT_KEY, programKeys(3).model, programKeys(3).file('history.txt')],
      ['program/result.json', 'program/3/model.safetensors', 'program/3/files/history.txt'],
    )
  })

  test('of exchanges that clients may name are taken apart as they were put together', () => {
    const keys = exchangeKeys(4)
    const sha256 = 'd'.repeat(64)
    const about = { exchange: 4, client: 'a', message: 7 }
    assert.deepEqual(parseKey(keys.content(sha256)), { kind: 'Content', exchange: 4, sha256 })
    assert.deepEqual(parseKey(keys.reply('a', 7)), { kind: 'Reply', ...about })
    for (const [key, kind] of [
      [keys.payload('a', 7, UPLOAD), 'ReplyPayload'],
      [keys.clientState('a', 7, UPLOAD), 'ReplyState'],
    ] as const)
      assert.deepEqual(parseKey(key), { kind, ...about, upload: UPLOAD })
  })

  test('that a client may have left for a message are those that it may name', () => {
    const keys = exchangeKeys(4)
    for (const [all, kind] of [
      [replyPayloadKeys(keys, 'a', 7), 'ReplyPayload'],
      [replyStateKeys(keys, 'a', 7), 'ReplyState'],
    ] as const) {
      assert.equal(new Set(all).size, 3)
      for (const key of all) assert.equal(parseKey(key)?.kind, kind, key)
    }
  })

  test('that clients may name are taken apart as they were put together', () => {
    const keys = attemptKeys(12, 3)
    const at = { round: 12, attempt: 3 }
    assert.deepEqual(parseKey(RUN_KEY), { kind: 'Run' })
    assert.deepEqual(parseKey(keys.model), { kind: 'Model', ...at })
    assert.deepEqual(parseKey(keys.receipt('a')), { kind: 'Receipt', ...at, client: 'a' })
    assert.deepEqual(parseKey(keys.payload('a', UPLOAD)), {
      kind: 'Payload',
      ...at,
      client: 'a',
      upload: UPLOAD,
    })
    const state = keys.clientState('a', UPLOAD)
    assert.deepEqual(parseKey(state), { kind: 'ClientState', ...at, client: 'a', upload: UPLOAD })
    assert.deepEqual(parseKey(pieceKey(state, 7)), {
      kind: 'Piece',
      ...at,
      client: 'a',
      payload: state,
      piece: 7,
    })
    const payload = keys.payload('a', UPLOAD)
    assert.deepEqual(parseKey(pieceKey(payload, 7)), { kind: 'Piece', ...at, client: 'a', payload, piece: 7 })
    const digest = 'd'.repeat(64)
    assert.deepEqual(parseKey(baseKey(digest, 'config.json')), { kind: 'Base', digest, file: 'config.json' })
  })

  for (const key of [
    'runs.json',
    'rounds/1/1/states.json',
    `rounds/1/1/updates/a/${UPLOAD}.states`,
    `rounds/1/1/updates/a/${UPLOAD}.state.safetensors`,
    `rounds/1/1/updates/a/${UPLOAD}.07`,
    `rounds/1/1/updates/a/${UPLOAD}.`,
    'coordinators/1.json',
    'exchanges/1/ask.json',
    'exchanges/1/decision.json',
    `exchanges/1/states/${'d'.repeat(64)}.json`,
    `exchanges/01/contents/${'d'.repeat(64)}.records`,
    `exchanges/1/contents/${'D'.repeat(64)}.records`,
    `exchanges/1/contents/${'d'.repeat(63)}.records`,
    `exchanges/1/contents/${'d'.repeat(64)}.json`,
    'exchanges/1/replies/a/01.json',
    'exchanges/1/replies/A/1.json',
    'exchanges/1/replies/a/1/1.json',
    'exchanges/1/replies/../1.json',
    `exchanges/1/replies/a/1/${UPLOAD}.safetensors`,
    `exchanges/1/replies/a/1/${UPLOAD}.records.0`,
    `exchanges/1/replies/a/${UPLOAD}.records`,
    'program/result.json',
    'program/1/files/../../../run.json',
    'rounds/1/1/plan.json',
    'rounds/1/1/decision.json',
    'rounds/1/result.json',
    'rounds/01/1/model.safetensors',
    'rounds/1/1/updates/../b.json',
    'rounds/1/1/updates/A.json',
    'rounds/1/1/updates/-a.json',
    `rounds/1/1/updates/a/${UPLOAD.slice(1)}.safetensors`,
    `rounds/1/1/updates/a/${UPLOAD.toUpperCase()}.safetensors`,
    'rounds/1/1/updates/a.json/',
    'rounds/1/1/updates/a.json\n',
    '/rounds/1/1/model.safetensors',
    'output/manifest.json',
    `base/${'d'.repeat(64)}/../../run.json`,
  ]) {
    test(`${JSON.stringify(key)} is not a key`, () => assert.equal(parseKey(key), undefined))
  }
})
