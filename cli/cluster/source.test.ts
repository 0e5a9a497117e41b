// Which endpoints are known only inside a cluster, and which error is about the way to them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FedsamError } from '#protocol/errors.ts'
import { endpointHint, withHint } from './source.ts'

test('the hint is given for names of Services, and not for names that every machine resolves', () => {
  const cases: readonly (readonly [string | undefined, string | undefined])[] = [
    [undefined, undefined],
    ['https://s3.eu-central-1.amazonaws.com', undefined],
    ['http://127.0.0.1:7070', undefined],
    ['http://localhost:7070', undefined],
    [
      'http://minio:9000',
      'kubectl port-forward svc/minio 9000:9000 and add --endpoint http://127.0.0.1:9000',
    ],
    [
      'https://minio.storage.svc.cluster.local',
      'kubectl -n storage port-forward svc/minio 10443:443 and add --endpoint https://127.0.0.1:10443',
    ],
    [
      'http://minio.storage.svc',
      'kubectl -n storage port-forward svc/minio 10080:80 and add --endpoint http://127.0.0.1:10080',
    ],
  ]
  for (const [endpoint, says] of cases) {
    const hint = endpointHint(endpoint)
    if (says === undefined) assert.equal(hint, undefined, endpoint)
    else assert.ok(hint?.endsWith(says), hint)
  }
})

test('the hint is the remedy only where the store did not answer', () => {
  const away = new FedsamError('StorageUnreachable', 'x: ENOTFOUND', {
    remedy: 'check',
    cause: new Error('a'),
  })
  assert.equal((withHint(away, 'a way') as FedsamError).remedy, 'a way')
  assert.equal(withHint(away, undefined), away)
  const cause = Object.assign(new Error('denied'), { $metadata: { httpStatusCode: 403 } })
  const refused = new FedsamError('StorageUnreachable', 'x: denied', { remedy: 'check', cause })
  assert.equal(withHint(refused, 'a way'), refused)
  const damaged = new FedsamError('RecordDamaged', 'x')
  assert.equal(withHint(damaged, 'a way'), damaged)
})
