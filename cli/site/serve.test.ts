// How the agents of a site's file start, fail and end. test/site shows what an agent does in a federation.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { siteKey } from '#site/key.ts'
import { until } from '#test/until.ts'
import { freePort } from '../run/servers/servers.ts'
import { loadSite } from './load.ts'
import { serveSite } from './serve.ts'

let folder = ''
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fedsam-serve-'))
  await siteKey(join(folder, 'site.key'))
})
after(() => rm(folder, { recursive: true, force: true }))

/** A site's file with one federation for each address; `lines` are added to the last one. */
async function siteOf(state: string, ports: readonly number[], lines: readonly string[] = []) {
  const federations = ports.flatMap((port, at) => [
    `  - name: fed-${at}`,
    `    trust: [${'ab'.repeat(32)}]`,
    `    bus: wss://127.0.0.1:${port}/bus`,
    '    store: https://fed.example.org',
    '    jobs: [{job: team/brain, dataset: brain}]',
  ])
  const file = join(folder, `${state}.yaml`)
  const text = ['key: site.key', `folder: ${state}`, 'federations:', ...federations, ...lines]
  await writeFile(file, [...text, 'datasets: {brain: {path: data}}', ''].join('\n'))
  return loadSite(file)
}

test('a federation that cannot be reached is named with the reason, once, until the site is asked to stop', async () => {
  const port = await freePort()
  const site = await siteOf('away', [port])
  const said: string[] = []
  const stop = new AbortController()
  const served = serveSite({ site, say: (line) => said.push(line), signal: stop.signal })
  await until('the site says that it is not connected', () => said.length > 0)
  stop.abort()
  await served
  assert.equal(said.length, 1)
  assert.match(
    said[0]!,
    new RegExp(`^fed-0: not connected: wss://127.0.0.1:${port}/bus: connect ECONNREFUSED`),
  )
})

test('a file of authorities that does not exist is named before anything starts', async () => {
  const port = await freePort()
  const site = await siteOf('no-ca', [port, port], ['    ca: absent.pem'])
  const said: string[] = []
  await assert.rejects(
    serveSite({ site, say: (line) => said.push(line), signal: new AbortController().signal }),
    {
      code: 'InvalidJob',
      message: /the certificates of the federation fed-1 cannot be read/,
      remedy: /absent\.pem/,
    },
  )
  assert.deepEqual(said, [])
  assert.equal(existsSync(site.folder), false)
})

test('a second agent of the same folder is refused, and the first one continues', async () => {
  const site = await siteOf('twice', [await freePort()])
  const stop = new AbortController()
  const said: string[] = []
  const first = serveSite({ site, say: (line) => said.push(line), signal: stop.signal })
  await until('the first one tries to connect', () => said.length > 0)
  await assert.rejects(serveSite({ site, say: () => {}, signal: stop.signal }), { code: 'OutputInUse' })
  stop.abort()
  await first
})
