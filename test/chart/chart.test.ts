// The chart held to its promises: it lints and renders for every set of values, refuses values that it does not know, grants
// nothing on Secrets, and runs only pods that the restricted Pod Security level admits.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { lint, type PodSpec, podsOf, type Rendered, type Rule, render } from './helm.ts'

const CRD = fileURLToPath(new URL('../../crds/fedsam.dev_federatedjobs.yaml', import.meta.url))
const DIGEST = `sha256:${'a'.repeat(64)}`

/** What people set, by what it is for. */
const VALUES: Readonly<Record<string, readonly string[]>> = {
  defaults: [],
  namespaced: ['--set', 'watchNamespaces={team-a,team-b}'],
  mirrored: [
    '--set',
    `images.registry=mirror.test/hub,images.worker.digest=${DIGEST},images.pullSecrets={pull}`,
  ],
  watched: ['--set', 'metrics.serviceMonitor.enabled=true,metrics.podMonitor.enabled=true'],
  twice: ['--set', 'operator.replicas=2,operator.podDisruptionBudget.enabled=true'],
  bare: [
    '--set',
    'crds.enabled=false,admissionPolicy.enabled=false,networkPolicy.enabled=false,rbac.aggregate=false',
  ],
  own: ['--set', 'serviceAccount.create=false,serviceAccount.name=mine,crds.keep=false'],
}

const of = (objects: readonly Rendered[], kind: string): Rendered[] =>
  objects.filter((object) => object.kind === kind)
const environment = (pod: PodSpec): Record<string, string | undefined> =>
  Object.fromEntries((pod.containers[0]!.env ?? []).map(({ name, value }) => [name, value]))

/** Whether a rule reaches Secrets: by name or by a wildcard in the core group. */
function reachesSecrets({ apiGroups, resources }: Rule): boolean {
  const named = resources.some((resource) => resource === '*' || resource.split('/')[0] === 'secrets')
  return named && apiGroups.some((group) => group === '' || group === '*')
}

for (const [name, flags] of Object.entries(VALUES)) {
  test(`${name}: lints, renders, holds no Secret, runs restricted pods`, async () => {
    await lint(...flags)
    const objects = await render(...flags)
    const rules = objects.flatMap((object) => object.rules ?? [])
    assert.ok(rules.length >= 9)
    assert.deepEqual(rules.filter(reachesSecrets), [])
    assert.ok(
      rules.every(({ verbs }) => !verbs.some((verb) => /^(\*|escalate|bind|impersonate)$/.test(verb))),
    )
    assert.equal(of(objects, 'Secret').length, 0)
    const pods = podsOf(objects)
    assert.equal(pods.length, 2)
    for (const pod of pods) {
      assert.equal(pod.securityContext?.runAsNonRoot, true)
      assert.deepEqual(pod.securityContext?.seccompProfile, { type: 'RuntimeDefault' })
      for (const { securityContext } of pod.containers) {
        assert.deepEqual(securityContext, {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        })
      }
    }
  })
}

test('the cluster gets the CRD as it is in crds/, kept at uninstall unless told otherwise', async () => {
  const source = parse(await readFile(CRD, 'utf8'))
  const [kept] = of(await render(), 'CustomResourceDefinition')
  assert.deepEqual(kept?.spec, source.spec)
  assert.equal(kept?.metadata.annotations?.['helm.sh/resource-policy'], 'keep')
  const [loose] = of(await render(...VALUES.own!), 'CustomResourceDefinition')
  assert.deepEqual(loose, source)
  assert.deepEqual(of(await render(...VALUES.bare!), 'CustomResourceDefinition'), [])
})

test('watched namespaces: the same rules as Roles there, none for the cluster', async () => {
  const everywhere = of(await render(), 'ClusterRole').find(({ metadata }) => metadata.name === 'fedsam')
  const objects = await render(...VALUES.namespaced!)
  const roles = of(objects, 'Role').filter(({ metadata }) => metadata.name === 'fedsam')
  assert.deepEqual(
    roles.map(({ metadata }) => metadata.namespace),
    ['team-a', 'team-b'],
  )
  for (const { rules } of roles) assert.deepEqual(rules, everywhere?.rules)
  assert.deepEqual(of(objects, 'ClusterRoleBinding'), [])
  assert.equal(environment(podsOf(objects)[0]!).FEDSAM_WATCH_NAMESPACES, 'team-a,team-b')
})

test('registry, digest and pull secrets reach the operator and, through it, the pods of jobs', async () => {
  const [operator] = podsOf(await render(...VALUES.mirrored!))
  assert.match(operator!.containers[0]!.image, /^mirror\.test\/hub\/fedsam\/operator:\d/)
  const variables = environment(operator!)
  assert.equal(variables.FEDSAM_WORKER_IMAGE, `mirror.test/hub/fedsam/worker@${DIGEST}`)
  assert.match(variables.FEDSAM_COORDINATOR_IMAGE ?? '', /^mirror\.test\/hub\/fedsam\/coordinator:\d/)
  assert.equal(variables.FEDSAM_IMAGE_PULL_SECRETS, 'pull')
})

test('the admission policy covers all of the status but training', async () => {
  const source = parse(await readFile(CRD, 'utf8'))
  const status = source.spec.versions[0].schema.openAPIV3Schema.properties.status.properties as object
  const [policy] = of(await render(), 'ValidatingAdmissionPolicy')
  const covered = policy!.spec.validations.map(({ expression }: { expression: string }) => {
    const field = /^object\.\?status\.\?(\w+) == oldObject\.\?status\.\?(\w+)$/.exec(expression)
    assert.equal(field?.[1], field?.[2], expression)
    return field?.[1]
  })
  assert.deepEqual([...covered, 'training'].sort(), Object.keys(status).sort())
  const [{ resources }] = policy!.spec.matchConstraints.resourceRules
  assert.deepEqual(resources, ['federatedjobs/status'])
  assert.match(JSON.stringify(policy!.spec.matchConditions), /'system:serviceaccount:system:fedsam'/)
})

test('monitors, budget and aggregated roles are there when asked for', async () => {
  const plain = await render()
  for (const kind of ['ServiceMonitor', 'PodMonitor', 'PodDisruptionBudget']) {
    assert.deepEqual(of(plain, kind), [], kind)
  }
  const watched = await render(...VALUES.watched!)
  assert.equal(of(watched, 'ServiceMonitor').length + of(watched, 'PodMonitor').length, 2)
  assert.equal(of(await render(...VALUES.twice!), 'PodDisruptionBudget').length, 1)
  const aggregated = (objects: readonly Rendered[]) =>
    of(objects, 'ClusterRole').flatMap(({ metadata }) =>
      Object.keys(metadata.labels ?? {}).filter((label) => label.includes('aggregate-to-')),
    )
  assert.equal(aggregated(plain).length, 3)
  assert.equal(aggregated(await render(...VALUES.bare!)).length, 0)
})

test('values that are wrong are refused, by name', async () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['operator.replicas=3', /replicas/],
    ['operator.replica=1', /replica/],
    ['images.worker.digest=latest', /digest/],
    ['images.pullPolicy=Sometimes', /pullPolicy/],
    ['watchNamespaces={Team_A}', /watchNamespaces/],
    ['metrics.podMonitor.interval=soon', /interval/],
    ['networkPolicy.apiServerPorts={70000}', /apiServerPorts/],
    ['serviceAccount.create=false', /serviceAccount\.name is needed/],
    ['surprise=1', /surprise/],
  ]
  for (const [setting, words] of cases) await assert.rejects(render('--set', setting), words, setting)
})

test('a cluster that is too old is refused', async () => {
  await assert.rejects(render('--kube-version', '1.30.0'), /incompatible with Kubernetes v1\.30\.0/)
})
