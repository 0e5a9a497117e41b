// A namespace as the tests of sites use it: its programs reach one port of this machine, and what they send elsewhere is dropped and
// counted. A wire that is cut and restored; a namespace whose process was killed leaves nothing.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import { before, describe, type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type Namespace, openNamespace } from '../given/namespaces.ts'
import { until } from '../until.ts'

/** Connects to "HOST PORT", and prints what it hears, or the code of the error. */
const CALLER = `
  const [host, port] = process.argv.slice(1)
  const socket = require('net').connect({ host, port })
  socket.on('data', (heard) => { console.log(heard.toString()); socket.destroy() })
  socket.on('error', ({ code }) => console.log(code))`
const caller = (host: string, port: number) => [process.execPath, '-e', CALLER, host, String(port)]

const call = (namespace: Namespace, host: string, port: number): Promise<string> =>
  namespace.run(caller(host, port)).then((said) => said.trim())

/** Calls until the counters show that a packet was sent; resolves to what was heard until then. */
async function callInVain(
  namespace: Namespace,
  { host, port, counter }: { host: string; port: number; counter: 'port' | 'other' },
): Promise<string> {
  const before = await namespace.sent()
  const [program, ...args] = namespace.inside(caller(host, port))
  const calling = spawn(program, args)
  let heard = ''
  calling.stdout.on('data', (chunk) => {
    heard += chunk
  })
  const counted = async () => (await namespace.sent())[counter] > before[counter]
  await until(`a packet to ${host} ${port} is counted`, counted)
  calling.kill('SIGKILL')
  await once(calling, 'close')
  return heard
}

/** A namespace, and a server at its address that says "hello" and is the allowed one. */
async function opened(t: TestContext) {
  const namespace = await openNamespace()
  t.after(() => namespace.close())
  const server = createServer((socket) => socket.on('error', () => {}).end('hello'))
  server.listen(0, namespace.address)
  await once(server, 'listening')
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  await namespace.allow(port, ['federation.example'])
  return { namespace, port }
}

describe('a network namespace', () => {
  test('its programs reach the allowed port, by its name too, and every packet to it is counted', async (t) => {
    const { namespace, port } = await opened(t)
    assert.deepEqual(await namespace.sent(), { port: 0, other: 0 })
    assert.equal(await call(namespace, namespace.address, port), 'hello')
    const first = await namespace.sent()
    assert.equal(await call(namespace, 'federation.example', port), 'hello')
    const second = await namespace.sent()
    assert.ok(0 < first.port && first.port < second.port, JSON.stringify([first, second]))
    assert.equal(second.other, 0)
  })

  test('every other destination is dropped and counted: another port, another address, IPv6', async (t) => {
    const { namespace, port } = await opened(t)
    const other = createServer((socket) => socket.on('error', () => {}).end('hello'))
    other.listen(0, namespace.address)
    await once(other, 'listening')
    t.after(() => other.close())
    const destinations: [string, number][] = [
      [namespace.address, (other.address() as AddressInfo).port],
      ['192.0.2.77', port],
      ['2001:db8::77', port],
    ]
    for (const [host, to] of destinations)
      assert.equal(await callInVain(namespace, { host, port: to, counter: 'other' }), '')
    assert.equal((await namespace.sent()).port, 0)
  })

  test('programs inside reach each other over the loopback interface, which counts nowhere', async (t) => {
    const { namespace, port } = await opened(t)
    assert.equal(await call(namespace, '127.0.0.1', port), 'ECONNREFUSED')
    assert.deepEqual(await namespace.sent(), { port: 0, other: 0 })
  })

  test('a wire that is cut carries nothing, and is whole again after it is restored', async (t) => {
    const { namespace, port } = await opened(t)
    await namespace.cut()
    assert.equal(await callInVain(namespace, { host: namespace.address, port, counter: 'port' }), '')
    await namespace.restore()
    await until('it answers again', async () => (await call(namespace, namespace.address, port)) === 'hello')
  })
})

describe('the end of a namespace', () => {
  const wires = (): string[] =>
    Object.keys(networkInterfaces()).filter((name) => name.startsWith('fedsam-wire'))
  let wiresBefore: string[]
  before(() => {
    wiresBefore = wires()
  })

  test('ends the programs inside, and leaves nothing', async () => {
    const namespace = await openNamespace()
    await namespace.allow(1)
    const [program, ...args] = namespace.inside(['sleep', '1000'])
    const sleeper = spawn(program, args, { stdio: 'ignore' })
    const gone = once(sleeper, 'exit')
    await until('it runs inside', async () => (await namespace.processes()).includes(sleeper.pid!))
    await namespace.close()
    assert.equal((await gone)[1], 'SIGKILL')
    assert.ok(!existsSync(`/run/netns/${namespace.name}`) && !existsSync(`/etc/netns/${namespace.name}`))
    assert.ok(!wires().includes(namespace.wire))
  })

  test('whose process was killed comes with the next one', async () => {
    const module = fileURLToPath(import.meta.resolve('../given/namespaces.ts'))
    const program = `
      const { openNamespace } = await import(${JSON.stringify(module)})
      const namespace = await openNamespace()
      await namespace.allow(1)
      require('child_process').spawn('ip', ['netns', 'exec', namespace.name, 'sleep', '1000'], { stdio: 'ignore', detached: true })
      console.log(namespace.name)
      setInterval(() => {}, 1000)`
    const owner = spawn(process.execPath, ['-e', `(async () => {${program}})()`])
    const [said] = await once(owner.stdout, 'data')
    const name = String(said).trim()
    assert.ok(existsSync(`/run/netns/${name}`) && existsSync(`/etc/netns/${name}`), name)
    owner.kill('SIGKILL')
    await once(owner, 'exit')
    await (await openNamespace()).close()
    assert.ok(!existsSync(`/run/netns/${name}`) && !existsSync(`/etc/netns/${name}`))
    await until('its wire is gone', () => wires().every((wire) => wiresBefore.includes(wire)))
  })
})
