// What a newcomer may type after `npm test`, and the mistakes that they may make.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chooseFiles, readTestArguments } from './arguments.ts'

const read = (...args: string[]) => readTestArguments(args, '/home/me/fedsam', {})

test('--fast and beginnings of paths, in any order', () => {
  assert.deepEqual(read(), { fast: false, help: false, beginnings: [] })
  assert.deepEqual(read('worker', '--fast'), { fast: true, help: false, beginnings: ['worker'] })
  assert.equal(read('-h').help, true)
})

test('a path may be written in several ways', () => {
  const { beginnings } = read('./worker/data/', '/home/me/fedsam/worker/data', 'worker/data')
  assert.deepEqual(beginnings, ['worker/data', 'worker/data', 'worker/data'])
})

test('an unknown option is an error that names the known ones', () => {
  const known = /npm test knows --fast, --help, and paths/
  assert.throws(() => read('--fst'), { name: 'UsageError', message: /^Unknown option '--fst'; / })
  for (const wrong of ['--fst', '-x', '--fast=yes', '--no-fast'])
    assert.throws(() => read(wrong), { message: known })
})

test('an option that npm keeps to itself is an error that says where -- belongs', () => {
  assert.throws(() => readTestArguments([], '/home/me/fedsam', { npm_config_fast: 'true' }), {
    name: 'UsageError',
    message: /npm test -- --fast/,
  })
})

const FILES = ['cli/run/lock.test.ts', 'worker/data/coco.test.ts', 'worker/round.test.ts']

test('beginnings choose files', () => {
  assert.deepEqual(chooseFiles(FILES, []), FILES)
  assert.deepEqual(chooseFiles(FILES, ['worker/round', 'cli']), [FILES[0], FILES[2]])
})

test('a beginning that chooses nothing is an error, beside others too, and says where tests are', () => {
  const message = (beginning: string): string => {
    try {
      chooseFiles(FILES, ['cli', beginning])
    } catch (error) {
      return (error as Error).message
    }
    return 'no error'
  }
  assert.match(message('wrker'), /begins with wrker; tests are in cli\/, worker\/$/)
  assert.match(message('worker/model'), /; tests are in worker\/data\/, worker\/$/)
  assert.match(message('worker/round.ts'), /; the tests of worker\/round\.ts are in worker\/round\.test\.ts$/)
})
