// What the API or the way to it refuses, as sentences; the refusals of a real API server are in test/cluster.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FedsamError } from '#protocol/errors.ts'
import { ApiError } from '#transport/kubernetes/calls.ts'
import { explainRefusal } from './refusals.ts'

const ASKED = { server: 'https://k8s.example:6443', context: 'prod', words: 'list pods in namespace team-a' }
const failure = (code: string, more: object = {}): Error =>
  Object.assign(new Error(`it is ${code}`), { code, ...more })

test('every rejection that users can act on has a code and a remedy', () => {
  const cases: readonly (readonly [unknown, string, RegExp])[] = [
    [
      failure('ECONNREFUSED'),
      'ClusterUnreachable',
      /^https:\/\/k8s\.example:6443 \(context prod\) cannot be reached/,
    ],
    [failure('ENOTFOUND'), 'ClusterUnreachable', /cannot be reached: ENOTFOUND/],
    [new Error('no answer within 30 s'), 'ClusterUnreachable', /cannot be reached: no answer within 30 s/],
    [failure('DEPTH_ZERO_SELF_SIGNED_CERT'), 'ClusterUnreachable', /certificate that is not trusted/],
    [failure('CERT_HAS_EXPIRED'), 'ClusterUnreachable', /certificate that is not trusted/],
    [failure('ENOENT', { syscall: 'spawn aws' }), 'ClusterUnreachable', /login program cannot run/],
    [
      new ApiError(401, 'Unauthorized', 'Unauthorized'),
      'Forbidden',
      /does not accept the credentials of context prod/,
    ],
    [
      new ApiError(403, 'Forbidden', 'pods is forbidden: User "ada" cannot list resource "pods"'),
      'Forbidden',
      /^User "ada" may not list pods in namespace team-a$/,
    ],
    [new ApiError(403, 'Forbidden', ''), 'Forbidden', /^you may not list pods in namespace team-a$/],
  ]
  for (const [error, code, says] of cases) {
    const explained = explainRefusal(error, ASKED)
    assert.ok(explained instanceof FedsamError, String(error))
    assert.equal(explained.code, code)
    assert.match(explained.message, says)
    assert.notEqual(explained.remedy, '')
  }
})

test('an unknown error stays as it is', () => {
  for (const error of [new ApiError(404, 'NotFound', 'no'), new TypeError('a defect'), failure('ENOENT')])
    assert.equal(explainRefusal(error, ASKED), error)
})
