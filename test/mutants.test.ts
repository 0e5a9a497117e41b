// The list of deliberate faults of `npm run bench -- mutants` fits the code: each fault can be made, and its tests exist. A change of
// the code that makes an entry useless fails here, and not years later.
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { CLIENT_STATES } from '../bench/mutants/client-states.ts'
import { FRESH } from '../bench/mutants/fresh.ts'
import { applyMutant, type Mutant } from '../bench/mutants/mutant.ts'
import { SURVIVORS } from '../bench/mutants/survivors.ts'

/** What is wrong with an entry; undefined where nothing is. */
function whyUseless(mutant: Mutant): string | undefined {
  if (!existsSync(mutant.file)) return `${mutant.file} does not exist`
  if (applyMutant(readFileSync(mutant.file, 'utf8'), mutant) === undefined)
    return `${mutant.file} does not hold once: ${mutant.from}`
  const missing = mutant.tests.filter((file) => !existsSync(file))
  return missing.length > 0 ? `tests do not exist: ${missing.join(', ')}` : undefined
}

test('every mutant can be made, and names tests that exist', () => {
  const useless = [...SURVIVORS, ...CLIENT_STATES, ...FRESH].flatMap((mutant) => {
    const why = whyUseless(mutant)
    return why === undefined ? [] : [`${mutant.id}: ${why}`]
  })
  assert.deepEqual(useless, [])
})
