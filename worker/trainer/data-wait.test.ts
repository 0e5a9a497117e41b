// Bad data that is corrected during the wait, and bad data that is not.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FedsamError } from '#protocol/errors.ts'
import { openPatiently } from './data-wait.ts'

const BAD = new FedsamError('BadData', '/data: there is no picture', { remedy: 'put one there' })

function trial(failures: readonly Error[]) {
  const left = [...failures]
  const said: string[] = []
  let slept = 0
  return {
    said,
    slept: () => slept,
    run: (waitSeconds: number) =>
      openPatiently(
        async () => {
          const error = left.shift()
          if (error !== undefined) throw error
          return 'open'
        },
        {
          waitSeconds,
          report: (done, total, message = '') => said.push(`${done}/${total} ${message}`),
          sleep: async (seconds) => {
            slept += seconds
          },
        },
      ),
  }
}

test('data that is corrected in time is opened; until then the problem is reported', async () => {
  const { run, said, slept } = trial([BAD, BAD])
  assert.equal(await run(1800), 'open')
  assert.equal(slept(), 60)
  assert.equal(said.length, 12)
  assert.deepEqual(said[1], '0/0 /data: there is no picture; put one there (waited 5 of 1800 s)')
})

test('data that stays bad is an error after waitSeconds, and at once where they are 0', async () => {
  const { run, slept } = trial(Array.from({ length: 9 }, () => BAD))
  await assert.rejects(run(70), BAD)
  assert.equal(slept(), 70)
  await assert.rejects(run(0), BAD)
  assert.equal(slept(), 70)
})

test('any other error is thrown at once', async () => {
  const { run } = trial([new FedsamError('BadCheckpoint', 'no weights')])
  await assert.rejects(run(1800), { code: 'BadCheckpoint' })
})
