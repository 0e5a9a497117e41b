// What `helm test` runs, run here as the operator's account against a real API server: it holds where an operator leads and sees its
// jobs, and says what is wrong where none does or the resource is not served.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { after, before, test } from 'node:test'
import type { Container, Rendered } from '../chart/helm.ts'
import { render } from '../chart/helm.ts'
import { type Cluster, startCluster } from './cluster.ts'
import { accountOf, install, untilAllowed, userOf, withOperator } from './installed.ts'

let cluster: Cluster
before(async () => {
  cluster = await startCluster()
})
after(() => cluster?.stop())

/** Seconds as the chart gives them: an operator leads when its process has started, however busy the machine is. */
const PATIENT = undefined
/** Where nobody leads the program asks once. */
const ONCE = '0'

/** Runs the test's container as a process, with the account's folder in place of a pod's; resolves to its exit code and output. */
async function tested(
  namespace: string,
  seconds: string | undefined,
  ...flags: readonly string[]
): Promise<[number | null, string]> {
  const rendered = await render('--namespace', namespace, ...flags)
  const pod = rendered.find(({ kind, metadata }) => kind === 'Pod' && metadata.annotations) as Rendered
  const { command, args, env } = pod.spec.containers[0] as Container
  const account = await accountOf(cluster, namespace, pod.spec.serviceAccountName)
  const here = (text: string): string =>
    text.replaceAll('/var/run/secrets/kubernetes.io/serviceaccount', account.files)
  const given = (env ?? []).map(({ name, value }) => [name, here(value ?? '')])
  const variables = {
    ...Object.fromEntries(given),
    ...account.env,
    POD_NAMESPACE: namespace,
    ...(seconds !== undefined && { SECONDS: seconds }),
  }
  const [program, ...all] = [...(command ?? []), ...(args ?? [])].map(here)
  assert.equal(program, 'node')
  const child: ChildProcess = spawn(process.execPath, all, { env: variables })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (said += chunk))
  const [code] = (await once(child, 'close')) as [number | null]
  return [code, said]
}

for (const [system, watched] of [
  ['everywhere', []],
  ['two-only', ['team-a', 'team-b']],
] as const) {
  test(`with an operator it holds, without one it does not: ${system}`, async () => {
    const flags = watched.length === 0 ? [] : ['--set', `watchNamespaces={${watched.join(',')}}`]
    for (const team of watched) await cluster.server.kubectl(['create', 'namespace', team])
    await install(cluster, system, ...flags)
    const user = userOf(system, 'fedsam')
    await untilAllowed(cluster, user, system, 'create coordination.k8s.io/leases')
    for (const scope of watched.length === 0 ? [''] : watched)
      await untilAllowed(cluster, user, scope, 'list fedsam.dev/federatedjobs')
    assert.match(
      (await tested(system, ONCE, ...flags)).join(' '),
      /^1 FederatedJobs are served\nno operator leads: .*not found/,
    )
    await withOperator(cluster, { namespace: system, watched }, async () => {
      assert.deepEqual(await tested(system, PATIENT, ...flags), [
        0,
        'FederatedJobs are served\nan operator leads\n',
      ])
    })
    assert.match((await tested(system, ONCE, ...flags)).join(' '), /no operator leads: its lease is free/)
  })
}

test('an operator that was killed, and a resource that is gone, are reported', async () => {
  const { kubectl } = cluster.server
  const spec = { holderIdentity: 'dead', leaseDurationSeconds: 15, renewTime: '2026-01-01T00:00:00.000000Z' }
  await kubectl([
    '-n',
    'everywhere',
    'patch',
    'lease',
    'fedsam-operator',
    '--type=merge',
    '-p',
    JSON.stringify({ spec }),
  ])
  assert.match(
    (await tested('everywhere', ONCE)).join(' '),
    /^1 .*\nno operator leads: dead renewed its lease \d+ s ago/,
  )
  await kubectl(['delete', 'crd', 'federatedjobs.fedsam.dev'])
  assert.match((await tested('everywhere', PATIENT)).join(' '), /^1 FederatedJobs are not served: HTTP 404/)
})
