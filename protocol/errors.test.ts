// Every error says what to do: its own remedy, or that of its code.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ErrorCode, FedsamError, REMEDIES } from './errors.ts'

const CODES = Object.keys(REMEDIES) as ErrorCode[]

test('every code has a remedy: one phrase without a full stop that begins with what to do', () => {
  assert.ok(CODES.length >= 20)
  for (const code of CODES) assert.match(REMEDIES[code], /^[a-z].{10,100}[^.]$/, code)
  assert.equal(new Set(Object.values(REMEDIES)).size, CODES.length)
})

test('an error without a remedy has that of its code, an empty one stays empty', () => {
  for (const code of CODES) {
    assert.equal(new FedsamError(code, 'it broke').remedy, REMEDIES[code])
    assert.equal(new FedsamError(code, 'it broke', { cause: 1 }).remedy, REMEDIES[code])
    assert.equal(new FedsamError(code, 'it broke', { remedy: 'mend it' }).remedy, 'mend it')
    assert.equal(new FedsamError(code, 'it broke; mend it', { remedy: '' }).remedy, '')
  }
})
