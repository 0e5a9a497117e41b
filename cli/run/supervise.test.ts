// The supervision of a program: what a restart cannot cure ends at once, what fails again and again ends after ten failures.
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { POD_EXITS } from '#protocol/exit-codes.ts'
import { supervise } from './supervise.ts'

let dir = ''
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'fedsam-supervise-'))
})
after(() => rm(dir, { recursive: true, force: true }))

/**
 * Supervises a program that leaves a letter in a file at each start and ends with these codes in turn, and then always with the
 * last one.
 */
async function starts(codes: readonly number[]): Promise<{ count: number; error: unknown }> {
  const file = join(dir, codes.join('-').slice(0, 100))
  const program = `
    const { appendFileSync, readFileSync } = require('node:fs')
    appendFileSync(${JSON.stringify(file)}, 'x')
    console.error(JSON.stringify({ code: 'X', message: 'it broke', remedy: 'mend it' }))
    const codes = ${JSON.stringify(codes)}
    process.exit(codes[readFileSync(${JSON.stringify(file)}).length - 1] ?? codes.at(-1))`
  const error = await supervise({
    name: 'the program',
    command: [process.execPath, '-e', program],
    env: {},
    onLine: () => {},
    log: () => {},
    signal: new AbortController().signal,
    backoff: { first: 0.001, longest: 0.5 },
  }).catch((error: unknown) => error)
  return { count: (await readFile(file)).length, error }
}

// A supervision that never gives up must fail its test, not hang it.
describe('a program that ends with', { timeout: 600_000 }, () => {
  test('0 is not started again', async () => {
    assert.deepEqual(await starts([0]), { count: 1, error: undefined })
  })

  for (const { code, action } of Object.values(POD_EXITS)) {
    if (action !== 'FailJob') continue
    test(`${code} is not started again, and its last lines are repeated`, async () => {
      const { count, error } = await starts([code])
      assert.equal(count, 1)
      assert.match(String(error), new RegExp(`the program ended \\(code ${code}\\): it broke; mend it`))
    })
  }

  test('a code that a restart may cure is started again until it succeeds', async () => {
    assert.deepEqual(await starts([75, 1, 80, 0]), { count: 4, error: undefined })
  })

  test('a failure each time ends the supervision after ten', async () => {
    const { count, error } = await starts([75])
    assert.equal(count, 10)
    assert.match(String(error), /code 75, 10 times in a row/)
  })

  test('a final code after failures ends the supervision at once', async () => {
    assert.equal((await starts([75, 78])).count, 2)
  })
})
