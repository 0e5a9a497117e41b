// The fence: it holds back every method that writes while this process does not lead.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { openKubernetes } from '#transport/kubernetes/api.ts'
import type { Call, KubernetesClient } from '#transport/kubernetes/calls.ts'
import { throttled } from '../client/throttle.ts'
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

/** An API server that leaves its first answer to the test, and a client with one connection. */
async function openServer() {
  const asked: string[] = []
  const answers: ServerResponse[] = []
  const server = createServer(({ url }, response) => {
    asked.push(url!)
    answers.push(response)
    if (answers.length > 1) response.end('{}')
    server.emit('asked')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const access = { server: `http://127.0.0.1:${port}`, secure: async () => ({}) }
  const client = openKubernetes(access, { calls: 1, env: {} })
  const close = (): void => {
    client.close()
    server.closeAllConnections()
    server.close()
  }
  return { server, asked, answers, client, close }
}

test('a write that waits for a connection is held back when this process stops leading meanwhile', async () => {
  const { server, asked, answers, client, close } = await openServer()
  try {
    let leads = true
    const fence = fenced(client, () => leads)
    const first = fence.call({ method: 'POST', path: '/first', body: {} })
    await once(server, 'asked')
    const second = fence.call({ method: 'POST', path: '/second', body: {} })
    const heldBack = assert.rejects(second, NotLeading)
    leads = false
    answers[0]!.end('{}')
    await first
    await heldBack
    assert.deepEqual(asked, ['/first'])
  } finally {
    close()
  }
})

test('a write that a busy server wants to be retried is held back when this process stops leading meanwhile', async () => {
  const { server, asked, answers, client, close } = await openServer()
  try {
    let leads = true
    const fence = fenced(throttled(client, { perSecond: 100, burst: 100 }), () => leads)
    const write = fence.call({ method: 'POST', path: '/first', body: {} })
    const heldBack = assert.rejects(write, NotLeading)
    await once(server, 'asked')
    leads = false
    answers[0]!.writeHead(429, { 'retry-after': '0' }).end('{}')
    await heldBack
    assert.deepEqual(asked, ['/first'])
  } finally {
    close()
  }
})
