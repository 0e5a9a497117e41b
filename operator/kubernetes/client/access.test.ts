// A rotated token is used, and the files are not read for every call.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { remembered } from './access.ts'

test('the files are read once in ten seconds', async () => {
  let [now, reads] = [0, 0]
  const secure = async () => ({ headers: { authorization: `Bearer ${++reads}` } })
  const access = remembered({ server: 'https://127.0.0.1', secure }, () => now)
  await access.secure()
  now = 9999
  assert.deepEqual(await access.secure(), { headers: { authorization: 'Bearer 1' } })
  now = 10_000
  assert.deepEqual(await access.secure(), { headers: { authorization: 'Bearer 2' } })
})

test('a failed read is retried at the next call', async () => {
  let fails = true
  const secure = async () => {
    if (fails) throw new Error('half written')
    return {}
  }
  const access = remembered({ server: 'https://127.0.0.1', secure })
  await assert.rejects(access.secure(), /half written/)
  fails = false
  assert.deepEqual(await access.secure(), {})
})
