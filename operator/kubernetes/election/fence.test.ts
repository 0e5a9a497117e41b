// The fence: it holds back every method that writes while this process does not lead.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Call, KubernetesClient } from '#transport/kubernetes/calls.ts'
import { fenced, NotLeading } from './fence.ts'

for (const method of ['POST', 'PUT', 'PATCH', 'DELETE'] as const) {
  test(`the fence passes ${method} while this process leads, and holds it back afterwards`, async () => {
    const asked: string[] = []
    const call = async <T>(request: Call): Promise<T> => asked.push(request.method) as T
    let leads = true
    const client = fenced({ call } as unknown as KubernetesClient, () => leads)
    await client.call({ method, path: '/x', body: {} })
    leads = false
    await assert.rejects(client.call({ method, path: '/x', body: {} }), NotLeading)
    await client.call({ method: 'GET', path: '/x' })
    assert.deepEqual(asked, [method, 'GET'])
  })
}
