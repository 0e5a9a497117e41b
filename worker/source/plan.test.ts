// The plan of a fetch, and keys that must not become files.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkKeys, planFetch, readJournal, readManifest } from './plan.ts'

const object = (key: string, etag = '"1"', size = 3) => ({ key, size, etag })

test('the plan keeps unchanged files, fetches the rest, and removes files without an object', () => {
  const listed = [object('a'), object('b', '"2"'), object('c', '"1"', 4), object('d')]
  const had = [object('a'), object('b'), object('c'), object('old')]
  assert.deepEqual(planFetch(listed, had), {
    keep: [listed[0]],
    fetch: listed.slice(1),
    remove: ['old'],
  })
})

test('the last entry of a key counts', () => {
  const plan = planFetch([object('a', '"2"')], [object('a', '"1"'), object('a', '"2"')])
  assert.deepEqual(plan.fetch, [])
})

test('a key that leaves the folder, or cannot be a file, is refused by name', () => {
  for (const key of ['../x', 'a/../../x', '/etc/x', 'a//b', './a', 'a/', 'a\0b', `a/${'x'.repeat(256)}`]) {
    assert.throws(() => checkKeys('s3://b/p', [object('good'), object(key)]), {
      code: 'BadData',
      message: new RegExp(`^s3://b/p: the key ${literally(JSON.stringify(key))} cannot be a file`),
    })
  }
  assert.throws(() => checkKeys('s3://b/p', [object('a/b'), object('a')]), /"a" .* folder of other keys/)
  checkKeys('s3://b/p', [object('a b/ü.png'), object('..a'), object('a/b..c')])
})

const literally = (text: string): string => text.replaceAll(/[.\\/]/g, '\\$&')

test('a source without objects is an error', () => {
  assert.throws(() => checkKeys('s3://b/p', []), { code: 'BadData', message: /no object under this prefix/ })
})

test('a journal is read up to its last complete line, and a damaged manifest counts as none', () => {
  const lines = `${JSON.stringify(object('a'))}\n{"key":"b","si`
  assert.deepEqual(readJournal(lines), [object('a')])
  assert.equal(readManifest('{"uri":"s3://b"}'), undefined)
  assert.equal(readManifest(''), undefined)
})
