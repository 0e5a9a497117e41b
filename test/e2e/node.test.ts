// The node itself: pods of images built here run, find each other by DNS and Service, reach the API; taken down, or orphaned, or left
// dead, it leaves nothing on this machine.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { access, glob, mkdir, readFile, writeFile } from 'node:fs/promises'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { machinesFolder, startMachine } from '#scripts/kubernetes/node/machine.ts'
import { type RunningNode, startNode } from '#scripts/kubernetes/node.ts'
import { until } from './stage.ts'

/** What of a machine of this name is there: its folder, cgroups, mounts, processes. */
async function remains(name: string): Promise<string[]> {
  const found: string[] = []
  for await (const path of glob([join(machinesFolder(), name), `/sys/fs/cgroup/**/${name}`])) found.push(path)
  const mounts = await readFile('/proc/self/mounts', 'utf8')
  found.push(...mounts.split('\n').filter((line) => line.includes(name)))
  for await (const path of glob('/proc/[0-9]*/cmdline')) {
    const command = await readFile(path, 'utf8').catch(() => '')
    if (command.includes(name)) found.push(command.replaceAll('\0', ' '))
  }
  return found
}

function wires(): string[] {
  return Object.keys(networkInterfaces()).filter((name) => /^fedsam\d+$/.test(name))
}

describe('a node', () => {
  const wiresBefore = wires()
  let node: RunningNode
  let image: string
  before(async () => {
    node = await startNode({ log: (line) => void process.stderr.write(`${line}\n`) })
    const [coordinator] = await node.loadImages(['coordinator'])
    image = coordinator!.reference
  })
  after(() => node?.stop())

  const pod = (name: string, program: string): object => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { app: name } },
    spec: {
      restartPolicy: 'Never',
      terminationGracePeriodSeconds: 0,
      containers: [{ name: 'program', image, command: ['node', '-e', program] }],
    },
  })
  const create = (...objects: readonly object[]): Promise<string> =>
    node.kubectl(['create', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }))
  const phase = (name: string): Promise<string> =>
    node.kubectl(['get', 'pod', name, '-o', 'jsonpath={.status.phase}'])

  test('runs a pod of a local image behind a Service, found by name, from a pod and from here', async () => {
    const ports = [{ port: 80, targetPort: 8080 }]
    const service = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'greeter' } }
    const serve = "require('http').createServer((_, answer) => answer.end('hello')).listen(8080)"
    await create(pod('greeter', serve), { ...service, spec: { selector: { app: 'greeter' }, ports } })
    await node.kubectl(['wait', '--for=condition=Ready', 'pod/greeter', '--timeout=60s'])
    const address = await node.kubectl(['get', 'service', 'greeter', '-o', 'jsonpath={.spec.clusterIP}'])
    const answer = await until(
      'the Service answers here',
      async () => (await fetch(`http://${address}`)).text(),
      (text) => text === 'hello',
    )
    assert.equal(answer, 'hello')
    const ask = "fetch('http://greeter.default.svc').then((answer) => answer.text()).then(console.log)"
    await create(pod('asker', ask))
    await until(
      'the asker ends',
      () => phase('asker'),
      (now) => now === 'Succeeded' || now === 'Failed',
    )
    assert.equal((await node.kubectl(['logs', 'asker'])).trim(), 'hello')
  })

  test("a pod reaches the API with its account's token, and nothing outside of this machine has a name", async () => {
    const program = `
      const folder = '/var/run/secrets/kubernetes.io/serviceaccount/'
      const read = (name) => require('fs').readFileSync(folder + name, 'utf8')
      const headers = { authorization: 'Bearer ' + read('token') }
      const options = { ca: read('ca.crt'), headers, agent: false }
      require('https').get('https://kubernetes.default.svc/openid/v1/jwks', options, (answer) => {
        console.log(answer.resume().statusCode)
        require('dns').lookup('example.com', (error) => console.log(error?.code))
      })`
    await create(pod('caller', program))
    await until(
      'the caller ends',
      () => phase('caller'),
      (now) => now === 'Succeeded' || now === 'Failed',
    )
    assert.equal(await node.kubectl(['logs', 'caller']), '200\nENOTFOUND\n')
  })

  test('a capacity is kept and a killed container is seen', async () => {
    await node.setCapacity('nvidia.com/gpu', 2)
    await until(
      'two devices',
      () => node.kubectl(['get', 'node', node.name, '-o', 'jsonpath={.status.allocatable.nvidia\\.com/gpu}']),
      (count) => count === '2',
    )
    await node.killContainer('default', 'greeter', 'program')
    const code = 'jsonpath={.status.containerStatuses[0].state.terminated.exitCode}'
    await until(
      'the exit code',
      () => node.kubectl(['get', 'pod', 'greeter', '-o', code]),
      (seen) => seen === '137',
    )
  })

  test('taken down with pods that run it leaves nothing', async () => {
    await create(pod('sleeper', 'setInterval(() => {}, 1000)'))
    await node.kubectl(['wait', '--for=condition=Ready', 'pod/sleeper', '--timeout=60s'])
    assert.notDeepEqual(await remains(node.name), [])
    assert.equal(wires().length, wiresBefore.length + 1)
    await node.stop()
    assert.deepEqual(await remains(node.name), [])
    assert.deepEqual(wires(), wiresBefore)
  })
})

describe('the machine of a node', () => {
  test('ends with a starter that is killed', async () => {
    const name = `fedsam-orphan-${process.pid}`
    const module = fileURLToPath(import.meta.resolve('#scripts/kubernetes/node/machine.ts'))
    const program = `
      const { startMachine } = await import(${JSON.stringify(module)})
      const machine = await startMachine({ name: ${JSON.stringify(name)} })
      await machine.start('sleep', ['sleep', '1000'])
      process.kill(process.pid, 'SIGKILL')`
    const starter = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: 'ignore' })
    await once(starter, 'exit')
    await until(
      'nothing is left',
      () => remains(name),
      (found) => found.length === 0,
    )
  })

  test('that was left dead is taken away by the next start', async () => {
    const dead = join(machinesFolder(), `fedsam-dead-${process.pid}`)
    await mkdir(dead, { recursive: true })
    await writeFile(join(dead, 'init.pid'), '4194305\n') // no process has this number
    const machine = await startMachine({ name: `fedsam-next-${process.pid}` })
    try {
      await assert.rejects(access(dead))
      assert.equal(await machine.run(['cat', '/proc/sys/net/ipv4/ip_forward']), '1\n')
    } finally {
      await machine.stop()
    }
    assert.deepEqual(await remains(`fedsam-next-${process.pid}`), [])
  })
})
