import assert from 'node:assert/strict'
import { test } from 'node:test'
import { permissionsOf, sitePermissions } from './permissions.ts'
import { decodeJobList, encodeJobList, jobNameOf, jobText, MOST_SITE_JOBS } from './sites.ts'

const job = { namespace: 'team', name: 'brain.v2' }

test('a list of jobs is read as it was written', () => {
  assert.deepEqual(decodeJobList(encodeJobList([job])), [job])
  assert.deepEqual(decodeJobList(encodeJobList([])), [])
  assert.deepEqual(jobNameOf(jobText(job)), job)
})

test('as many jobs as a connection may name fit, and one more does not', () => {
  const jobs = Array.from({ length: MOST_SITE_JOBS }, (_, at) => ({ namespace: 'team', name: `job-${at}` }))
  assert.deepEqual(decodeJobList(encodeJobList(jobs)), jobs)
  assert.throws(() => encodeJobList([...jobs, job]), RangeError)
  assert.throws(() => encodeJobList([{ namespace: 'team', name: 'x'.repeat(3000) }]), RangeError)
})

for (const text of [
  '',
  'team/brain',
  '{}',
  '[1]',
  '["team"]',
  '["team/*"]',
  '["team/>"]',
  '["team/a/b"]',
  '["Team/a"]',
  '["team/a","team/"]',
  '[["team/a"]]',
  `[${Array.from({ length: MOST_SITE_JOBS + 1 }, () => '"a/b"').join()}]`,
  `["a/${'b'.repeat(4000)}"]`,
])
  test(`${text.slice(0, 30)} is no list of jobs`, () => assert.equal(decodeJobList(text), undefined))

test('a site has the subjects of its clients, an inbox of its own and one question to the server', () => {
  const place = { namespace: 'team', uid: 'run-1' }
  const of = permissionsOf(place, { role: 'client', client: 'a' })
  assert.deepEqual(sitePermissions('ab', [{ place, client: 'a' }]), {
    publish: ['$SYS.REQ.USER.INFO', ...of.publish],
    subscribe: ['fedsam.site.ab.inbox.>', ...of.subscribe],
  })
  assert.throws(() => sitePermissions('ab', [{ place, client: '*' }]), RangeError)
})
