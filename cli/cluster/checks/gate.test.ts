// What doctor reads in the log of the gate, as the gate's own code writes it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { REFUSALS, type Refusal, type Refused } from '#gate/authenticators/authenticator.ts'
import { createRefusals } from '#gate/refusals.ts'
import type { StoredJob } from '#operator/objects/shapes.ts'
import { concerns, judgeRefusals, refusalOf } from './gate.ts'

const KEY = 'ab'.repeat(32)
/** One partition in the cluster, and one site. */
const JOB = {
  metadata: { namespace: 'team', name: 'brain', uid: 'u' },
  spec: { partitions: [{ name: 'a' }, { name: 'hospital', external: { publicKey: KEY } }] },
} as unknown as StoredJob

function refused(reason: Refusal, member: string, uid = 'u'): Refused {
  const run = { namespace: 'team', uid, job: 'brain' }
  return { kind: 'Refused', reason, concerned: { run, member: `${uid}/${member}` } }
}

/** The gate's log of these verdicts, a line of JSON each. */
function logOf(verdicts: readonly Refused[]): string[] {
  const lines: string[] = []
  const write = (line: object, msg: string) => void lines.push(JSON.stringify({ level: 40, ...line, msg }))
  const log = createRefusals({ write, count: () => {}, now: () => 0 })
  for (const verdict of verdicts) log(verdict, '10.0.0.7')
  return lines
}

test('each refused member is a problem with its last reason and a remedy; strangers and other jobs are not', () => {
  const lines = logOf([
    refused('NoToken', 'client/a'),
    refused('TokenExpired', 'client/a'),
    refused('OtherAudience', 'coordinator'),
    refused('NoToken', 'client/a', 'other'),
    { kind: 'Refused', reason: 'UnknownUser', detail: '"refused"' },
  ])
  const read = lines.map(refusalOf).filter((line) => line !== undefined && concerns(line, JOB))
  assert.equal(read.length, 3)
  const findings = judgeRefusals(
    read.map((line) => line!),
    JOB,
  )
  assert.deepEqual(
    findings.map(({ verdict, says }) => [verdict, says]),
    [
      ['Problem', 'a at 10.0.0.7 was refused: the token has expired'],
      [
        'Problem',
        'coordinator at 10.0.0.7 was refused: the token is for another run or another member of the run',
      ],
    ],
  )
  assert.ok(findings.every(({ remedy }) => remedy.length > 20))
})

test('many members are a few problems and a count; none is fine; other lines are ignored', () => {
  const many = logOf(Array.from({ length: 30 }, (_, at) => refused('NoToken', `client/c${at}`)))
  const findings = judgeRefusals(
    many.map((line) => refusalOf(line)!),
    JOB,
  )
  assert.deepEqual([findings.length, findings.at(-1)?.says], [9, 'and 22 more members were refused'])
  assert.equal(judgeRefusals([], JOB)[0]?.verdict, 'Ok')
  for (const line of ['', 'x', '{"refused"', '{"refused":"Nothing","member":"u/a"}', '{"refused":"NoToken"}'])
    assert.equal(refusalOf(line), undefined, line)
})

test('a refused site is named as its partition, with a remedy for each reason; sites of other jobs are not shown', () => {
  const ofSite = (reason: Refusal, site: string): Refused => ({
    kind: 'Refused',
    reason,
    concerned: { site },
  })
  for (const reason of ['OtherConnection', 'BadSignature', 'BadJobList', 'TooManyConnections'] as const) {
    const read = logOf([ofSite(reason, KEY), ofSite(reason, 'cd'.repeat(32))]).map((line) => refusalOf(line)!)
    assert.deepEqual(
      read.map((line) => concerns(line, JOB)),
      [true, false],
    )
    const [finding, ...others] = judgeRefusals([read[0]!], JOB)
    assert.deepEqual(others, [])
    assert.equal(finding!.says, `hospital at 10.0.0.7 was refused: ${REFUSALS[reason]}`)
    assert.ok(finding!.remedy!.length > 20, reason)
  }
})
