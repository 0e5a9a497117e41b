// The operator's environment: defaults, lists, and one error for all problems.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readEnvironment } from './environment.ts'

const IMAGES = {
  FEDSAM_SIGNING_FOLDER: '/signing',
  FEDSAM_COORDINATOR_IMAGE: 'c:1',
  FEDSAM_WORKER_IMAGE: 'w:1',
  FEDSAM_WORKER_GPU_IMAGE: 'g:1',
}

test('outside a pod the operator leads without an election; in a pod it takes part in one', () => {
  const alone = readEnvironment(IMAGES, 'u')
  assert.equal(alone.election, undefined)
  assert.deepEqual(
    [alone.workers, alone.rate, alone.probePort, alone.metricsPort],
    [8, { perSecond: 500, burst: 1000 }, 8081, 8080],
  )
  const pod = { ...IMAGES, POD_NAME: 'p', POD_NAMESPACE: 'fedsam' }
  assert.deepEqual(readEnvironment(pod, 'u').election, {
    namespace: 'fedsam',
    identity: 'p_u',
    times: { durationSeconds: 15, renewSeconds: 10, retrySeconds: 2 },
  })
  assert.equal(readEnvironment({ ...pod, FEDSAM_LEADER_ELECTION: 'false' }, 'u').election, undefined)
})

test('lists are separated by commas; an empty variable counts as not set', () => {
  const env = {
    ...IMAGES,
    FEDSAM_WATCH_NAMESPACES: 'a, b,,a',
    FEDSAM_IMAGE_PULL_SECRETS: '',
    FEDSAM_WORKERS: '',
  }
  const { namespaces, settings, workers } = readEnvironment(env, 'u')
  assert.deepEqual([namespaces, settings.pullSecrets, workers], [['a', 'b'], [], 8])
})

test("the peers of network policies: by default no pod for metrics, and the cluster's DNS", () => {
  const peersOf = (env: Record<string, string>) => readEnvironment({ ...IMAGES, ...env }, 'u').settings.peers
  const { metrics, dns } = peersOf({})!
  assert.deepEqual(metrics, [])
  assert.deepEqual(
    dns.map((peer) => Object.keys(peer)),
    [['namespaceSelector', 'podSelector']],
  )
  const monitoring = { namespaceSelector: { matchLabels: { team: 'monitoring' } } }
  const named = peersOf({ FEDSAM_METRICS_PEERS: JSON.stringify([monitoring]), FEDSAM_DNS_PEERS: '[]' })
  assert.deepEqual([named?.metrics, named?.dns], [[monitoring], []])
  const servers = peersOf({
    FEDSAM_SERVER_PEERS: JSON.stringify([monitoring]),
    FEDSAM_API_SERVER_PEERS: JSON.stringify([monitoring]),
    FEDSAM_INSIDE_RANGES: '10.0.0.0/8,fd12::/48',
  })
  assert.deepEqual([servers?.servers, servers?.apiServer], [[monitoring], [monitoring]])
  assert.deepEqual(servers?.inside, ['10.0.0.0/8', 'fd12::/48'])
  for (const wrong of ['10.0.0.0', '10.0.0.0/33', 'fd12::/129', 'pods', '10.0.0.0/8/8', '/8'])
    assert.throws(() => peersOf({ FEDSAM_INSIDE_RANGES: wrong }), { message: /FEDSAM_INSIDE_RANGES/ })
  for (const wrong of ['monitoring', '{}', '[3]', '[{}]', '[{"namespace":"x"}]'])
    assert.throws(() => peersOf({ FEDSAM_METRICS_PEERS: wrong }), { message: /FEDSAM_METRICS_PEERS/ })
})

test('one error names all problems', () => {
  const env = { ...IMAGES, FEDSAM_IMAGE_PULL_POLICY: 'Sometimes', FEDSAM_QPS: 'fast', FEDSAM_WORKERS: '0' }
  assert.throws(() => readEnvironment(env, 'u'), {
    code: 'InvalidJob',
    message: /FEDSAM_IMAGE_PULL_POLICY: Sometimes.*FEDSAM_WORKERS: 0.*FEDSAM_QPS: fast/,
  })
  assert.throws(
    () => readEnvironment({}, 'u'),
    /FEDSAM_COORDINATOR_IMAGE is missing; FEDSAM_WORKER_IMAGE is missing/,
  )
})
