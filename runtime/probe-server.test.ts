// What a program answers to probes, to Prometheus, and to hostile clients, over real connections.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { describe, type TestContext, test } from 'node:test'
import { type ProbeOptions, type ProbeServer, serveProbes } from './probe-server.ts'

const METRICS = { text: async () => 'fedsam_round 3\n', type: 'text/plain; version=0.0.4' }

async function serve(t: TestContext, options: Partial<ProbeOptions> = {}): Promise<ProbeServer> {
  const server = await serveProbes({ port: 0, onError() {}, ...options })
  t.after(() => server.close())
  return server
}

interface Answered {
  readonly status: number | undefined
  readonly text: string
  readonly headers: NodeJS.Dict<string | string[]>
}

/** One request over a connection of its own. */
async function ask({ port }: ProbeServer, path: string, method = 'GET', body = ''): Promise<Answered> {
  const outgoing = request({ port, path, method, agent: false })
  outgoing.end(body)
  const [incoming] = await once(outgoing, 'response')
  let text = ''
  for await (const chunk of incoming) text += chunk
  return { status: incoming.statusCode, text, headers: incoming.headers }
}

/** Everything that the server sends over the connection until it ends it. */
async function received(socket: Socket): Promise<string> {
  let text = ''
  socket.on('data', (chunk) => {
    text += chunk
  })
  socket.on('error', () => {})
  await new Promise((resolve) => socket.once('close', resolve))
  return text
}

describe('a program answers', () => {
  test('whether it works, what it waits for, and its metrics', async (t) => {
    let problem: string | undefined = 'no bucket'
    const server = await serve(t, { alive: () => undefined, ready: () => problem, metrics: METRICS })
    const alive = await ask(server, '/livez')
    assert.deepEqual([alive.status, alive.text, alive.headers.connection], [200, 'ok\n', 'close'])
    const waiting = await ask(server, '/readyz')
    assert.deepEqual([waiting.status, waiting.text], [503, 'no bucket\n'])
    problem = undefined
    assert.equal((await ask(server, '/readyz?verbose')).status, 200)
    const { status, text, headers } = await ask(server, '/metrics')
    assert.deepEqual([status, text, headers['content-type']], [200, 'fedsam_round 3\n', METRICS.type])
    const head = await ask(server, '/metrics', 'HEAD')
    assert.deepEqual([head.status, head.text], [200, ''])
  })

  test('404 for a path that it does not serve', async (t) => {
    const server = await serve(t, { metrics: METRICS })
    for (const path of ['/', '/livez', '/readyz', '/metrics/', '/constructor', '//metrics', '*']) {
      const { status, text } = await ask(server, path)
      assert.deepEqual([status, text], [404, 'this port serves /metrics\n'], path)
    }
  })

  test('500 where an answer fails, and still answers afterwards', async (t) => {
    const errors: unknown[] = []
    const failure = new Error('a gauge failed')
    let broken = true
    const server = await serve(t, {
      alive() {
        if (broken) throw failure
        return undefined
      },
      metrics: { ...METRICS, text: () => (broken ? Promise.reject(failure) : METRICS.text()) },
      onError: (error) => errors.push(error),
    })
    for (const path of ['/metrics', '/livez']) {
      const { status, text } = await ask(server, path)
      assert.deepEqual([status, text], [500, 'the answer failed: a gauge failed\n'])
    }
    assert.deepEqual(errors, [failure, failure])
    broken = false
    for (const path of ['/metrics', '/livez']) assert.equal((await ask(server, path)).status, 200)
  })

  test('an error that names the port where another program listens on it', async (t) => {
    const { port } = await serve(t)
    const second = serveProbes({ port, onError() {} })
    await assert.rejects(second, {
      code: 'InvalidJob',
      message: `cannot serve probes and metrics on port ${port} (EADDRINUSE)`,
    })
  })
})

describe('a hostile client', () => {
  test('that uses another method is refused, and its body is not read', async (t) => {
    const server = await serve(t, { alive: () => undefined })
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE']) {
      assert.equal((await ask(server, '/livez', method)).status, 405, method)
    }
    // It announces a terabyte and sends a little of it: the answer comes first, then the connection ends.
    const socket = connect(server.port)
    socket.write('POST /livez HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000000000\r\n\r\nabc')
    assert.match(await received(socket), /^HTTP\/1\.1 405 /)
  })

  test('that sends a long URL or long headers is refused', async (t) => {
    const server = await serve(t, { alive: () => undefined })
    const long = 'a'.repeat(9000)
    for (const head of [`GET /${long} HTTP/1.1\r\n`, `GET /livez HTTP/1.1\r\nx-long: ${long}\r\n`]) {
      const socket = connect(server.port)
      socket.write(`${head}host: a\r\n\r\n`)
      assert.match(await received(socket), /^HTTP\/1\.1 431 /)
    }
    assert.equal((await ask(server, '/livez')).status, 200)
  })

  test('that sends no HTTP is refused', async (t) => {
    const server = await serve(t, { alive: () => undefined })
    const socket = connect(server.port)
    socket.write('\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n')
    assert.match(await received(socket), /^HTTP\/1\.1 400 /)
  })

  test('that never completes its headers is disconnected', { timeout: 40_000 }, async (t) => {
    const server = await serve(t, { alive: () => undefined })
    const socket = connect(server.port)
    socket.write('GET /livez HTTP/1.1\r\nhost: a\r\n')
    // A header line now and then, so that the connection is never silent.
    const drip = setInterval(() => socket.write('x-drip: a\r\n'), 500)
    t.after(() => clearInterval(drip))
    assert.match(await received(socket), /^HTTP\/1\.1 408 /)
  })

  test('that opens many connections holds 100 of them, and no other request fails afterwards', async (t) => {
    const held = Promise.withResolvers<void>()
    const hundred = Promise.withResolvers<void>()
    let asked = 0
    const text = async (): Promise<string> => {
      asked += 1
      if (asked === 100) hundred.resolve()
      await held.promise
      return 'fedsam_round 3\n'
    }
    const server = await serve(t, { metrics: { ...METRICS, text } })
    const refused = Promise.withResolvers<void>()
    let unanswered = 0
    const ends = Array.from({ length: 150 }, async () => {
      const socket = connect(server.port)
      socket.write('GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n')
      if ((await received(socket)) !== '') return
      unanswered += 1
      if (unanswered === 50) refused.resolve()
    })
    await Promise.all([hundred.promise, refused.promise])
    assert.equal(asked, 100)
    held.resolve()
    await Promise.all(ends)
    assert.equal((await ask(server, '/metrics')).status, 200)
  })
})
