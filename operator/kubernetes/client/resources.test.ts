// Paths of kinds and objects, and the RBAC verbs of calls.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pathOf, targetOf, verbOf } from './resources.ts'

test('a path gives back its kind, group, namespace and object', () => {
  const table: readonly [string, string, string][] = [
    ['Job', 'batch', 'jobs'],
    ['Pod', '', 'pods'],
    ['RoleBinding', 'rbac.authorization.k8s.io', 'rolebindings'],
    ['Event', 'events.k8s.io', 'events'],
    ['FederatedJob', 'fedsam.dev', 'federatedjobs'],
  ]
  for (const [kind, group, resource] of table) {
    const one = { kind, group, resource, subresource: '', namespace: 'team', name: 'x' }
    assert.deepEqual(targetOf(pathOf(kind, 'team', 'x')), one)
    assert.deepEqual(targetOf(`${pathOf(kind, 'team', 'x')}/status?force=true`), {
      ...one,
      subresource: 'status',
    })
    assert.deepEqual(targetOf(`${pathOf(kind, undefined)}?limit=1`), { ...one, namespace: '', name: '' })
  }
  assert.throws(() => pathOf('Secret', 'team'), RangeError)
  assert.throws(() => targetOf('/openid/v1/jwks'), RangeError)
})

test('the verb of a call', () => {
  const table: readonly ['GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE', string, string][] = [
    ['GET', pathOf('Pod', 'team', 'x'), 'get'],
    ['GET', pathOf('Pod', undefined), 'list'],
    ['GET', `${pathOf('Pod', 'team')}?limit=5`, 'list'],
    ['GET', `${pathOf('Pod', 'team')}?labelSelector=a&watch=true&timeoutSeconds=5`, 'watch'],
    ['POST', pathOf('Job', 'team'), 'create'],
    ['PUT', pathOf('Lease', 'team', 'x'), 'update'],
    ['PATCH', `${pathOf('Job', 'team', 'x')}?force=true`, 'patch'],
    ['DELETE', pathOf('Job', 'team', 'x'), 'delete'],
  ]
  for (const [method, path, verb] of table)
    assert.equal(verbOf({ method, path }).verb, verb, `${method} ${path}`)
})
