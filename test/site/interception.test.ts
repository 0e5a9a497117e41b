// A device on a site's way to its federation: one that opens TLS with a certificate of its own, before the first connect and in the middle
// of a run, and a store that redirects. The site refuses, names it in the audit log, and is there again once it is gone.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { startFedsam } from '../cli/fedsam.ts'
import { type ConnectProxy, startConnectProxy } from '../faults/connect-proxy.ts'
import { runFederation } from '../federation/federation.ts'
import { startTlsEdge } from '../given/tls-edge.ts'
import { until } from '../until.ts'
import { JOIN, OPTIONS, openJob } from './joined-job.ts'

/** The lines of a site's audit log, so far. */
async function auditOf(folder: string): Promise<Record<string, string>[]> {
  const text = await readFile(join(folder, 'state', 'audit.jsonl'), 'utf8').catch(() => '')
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Record<string, string>)
}

test('a device that opens TLS, at the start and in a run: it hears nothing, each time is named, and the run has the same bytes', async (t) => {
  const expected = await runFederation(OPTIONS)
  // Its certificate is not by the authority that the site names.
  const device = await startTlsEdge({ store: 'http://127.0.0.1:2', files: 'entry' })
  t.after(() => device.close())
  const targets: Record<string, number> = {}
  let ways: { device: () => void; federation: () => void } | undefined
  const { federation, folder, run } = await openJob(t, async ({ host, port }): Promise<ConnectProxy> => {
    const proxy = await startConnectProxy({ targets })
    const lead = (to: number) => () => {
      targets[host] = to
      proxy.cut()
    }
    ways = { device: lead(device.port), federation: lead(port) }
    return proxy
  })
  ways!.device()
  const named: string[] = []
  let wasCut = false
  const joined = startFedsam(folder, JOIN, {
    onLine(line) {
      if (
        /^heart: the certificate of localhost, by "fedsam test authority of the entry", is not trusted/.test(
          line,
        )
      ) {
        named.push(line)
        ways!.federation()
      }
      if (line.endsWith('round 1: trains') && !wasCut) {
        wasCut = true
        ways!.device()
      }
    },
  })
  const { code, stdout, stderr } = await run(joined)
  assert.equal(code, 0, stderr + stdout)
  assert.equal(await federation.model(), expected.model)
  assert.equal(named.length, 2, stdout)
  const lines = (await auditOf(folder)).filter(({ event }) => event === 'Connection')
  assert.equal(lines.length, 2)
  for (const { federation: name, url, refused } of lines) {
    assert.equal(name, 'heart')
    assert.match(url!, /^(wss|https):\/\/localhost:\d+\//)
    assert.match(refused!, /by "fedsam test authority of the entry"/)
  }
  assert.deepEqual(device.passed, [])
})

for (const args of [JOIN, ['site', 'run', 'site.yaml']])
  test(`a store that redirects is named in the audit log of ${args.slice(0, 2).join(' ')}, and the site tries again`, async (t) => {
    const { federation, folder } = await openJob(t, undefined, {
      redirectTo: 'https://evil.example/x?secret',
    })
    void federation.coordinate().catch(() => {})
    const stopped = startFedsam(folder, args, {
      onLine: (line, child) => {
        if (!line.endsWith('takes part')) return
        const refused = async () => (await auditOf(folder)).filter((one) => one.refused !== undefined)
        const twice = until('two refusals are in the audit log', async () => (await refused()).length > 1)
        void twice.finally(() => child.kill('SIGTERM'))
      },
    })
    assert.equal((await stopped).code, 130)
    const lines = await auditOf(folder)
    const [first] = lines.filter(({ refused }) => refused !== undefined)
    assert.deepEqual([first!.event, first!.method], ['Grant', 'GET'])
    assert.match(first!.refused!, /redirects to https:\/\/evil\.example; no redirect is followed/)
    assert.ok(!JSON.stringify(lines).includes('secret'))
  })
