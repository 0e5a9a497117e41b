// A transfer whose grant the store refuses: another grant once, and once more each time that the transfer got further.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GrantRefused } from '#transport/ports.ts'
import { withGrant } from './grants.ts'

const WANT = { kind: 'Read', key: 'run.json' } as const
const GRANT = { kind: 'Grant', grant: { method: 'GET', url: 'https://x/', headers: {} } } as const

/** Runs a transfer that is refused so often, with progress or without; resolves to how many grants it asked for. */
async function asked(refusals: readonly ('Refused' | 'Progressed')[]): Promise<number> {
  let grants = 0
  let uses = 0
  await withGrant(
    async () => {
      grants += 1
      return [GRANT]
    },
    WANT,
    async () => {
      const refusal = refusals[uses++]
      if (refusal !== undefined) throw new GrantRefused('expired', { progressed: refusal === 'Progressed' })
    },
  )
  return grants
}

test('a refused transfer asks for another grant once', async () => {
  assert.equal(await asked([]), 1)
  assert.equal(await asked(['Refused']), 2)
  await assert.rejects(asked(['Refused', 'Refused']), GrantRefused)
})

test('a transfer that gets further with each grant asks for as many as it needs', async () => {
  assert.equal(await asked(['Progressed', 'Progressed', 'Progressed', 'Progressed']), 5)
  await assert.rejects(asked(['Progressed', 'Refused']), GrantRefused)
})
