// The example job on the real node: from kubectl apply to the model in the bucket, with the bytes of the same run on a laptop; what
// kubectl shows on the way; suspended and resumed in the middle of a round; exported; deleted without a trace.
import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Ended, ROOT, startFedsam } from '../cli/fedsam.ts'
import { brainTissue, type JobObject } from './jobs.ts'
import { modelInBucket, modelOfLocalRun } from './models.ts'
import { operatorKey, type Stage, TEAM, until } from './stage.ts'

const NAME = 'brain-tissue'
const SITES = ['axial', 'coronal', 'sagittal']
/** Rounds of a second each: enough to look in on them, where the status tells progress every ten seconds. */
const ROUNDS = 60

/** The row of `kubectl get fj`, without the age, by column. */
async function columns(stage: Stage): Promise<Record<string, string>> {
  const [head, row] = (await stage.kubectl(['get', 'fj', NAME])).trimEnd().split('\n')
  const starts = [...head!.matchAll(/\S+/g)].map(({ 0: name, index }) => ({ name, index }))
  return Object.fromEntries(
    starts.map(({ name, index }, i) => [name, row!.slice(index, starts[i + 1]?.index).trim()]),
  )
}

/** kubectl fedsam, with the bucket's keys at hand. */
function startIn({ credentials, node }: Stage, ...args: readonly string[]): Promise<Ended> {
  const env = { ...credentials, KUBECONFIG: node.kubeconfig }
  return startFedsam(ROOT, [...args, '-n', TEAM], { env })
}

/** What it prints. */
async function fedsam(stage: Stage, ...args: readonly string[]): Promise<string> {
  const ended = await startIn(stage, ...args)
  assert.equal(ended.code, 0, ended.stdout + ended.stderr)
  return ended.stdout
}

export function brainTissueScenario(stage: () => Stage): void {
  let job: JobObject

  test('explain names every field of the spec', async () => {
    const text = await stage().kubectl(['explain', 'fj.spec'])
    for (const field of ['partitions', 'strategy', 'trainer', 'storage', 'messaging'])
      assert.match(text, new RegExp(`^ +${field}\\s`, 'm'))
  })

  test('a job over three claims waits for its devices and says so', async () => {
    const example = await brainTissue()
    job = { ...example, spec: { ...example.spec, rounds: ROUNDS } }
    await stage().checkpoint('models/sam-tiny-scenes')
    for (const site of SITES) await stage().claim(site, `examples/data/brain-tissue/${site}`)
    await stage().apply(job)
    const waiting = await until(
      'the missing device is named',
      () => stage().status(NAME),
      ({ conditions }) =>
        conditions?.some(
          ({ type, message }) => type === 'QuorumAvailable' && /nvidia\.com\/gpu/.test(message),
        ) === true,
    )
    const of = (type: string) => waiting.conditions?.find((condition) => condition.type === type)
    assert.equal(of('Ready')?.status, 'Unknown')
    assert.equal(of('QuorumAvailable')?.status, 'False')
    assert.match(of('QuorumAvailable')?.message ?? '', /axial: .*coronal: .*sagittal: /)
    const { AGE: _, ...shown } = await columns(stage())
    assert.deepEqual(shown, { NAME, STATE: 'Waiting', ROUND: `0/${ROUNDS}`, CLIENTS: '0/3', METRIC: '' })
  })

  test('the devices are there: it trains', async () => {
    await stage().node.setCapacity('nvidia.com/gpu', 3)
    await stage().kubectl(['wait', '--for=condition=Ready', `fj/${NAME}`, '--timeout=240s'])
    const seen = await until(
      'a later round',
      () => columns(stage()),
      ({ ROUND }) => Number(ROUND!.split('/')[0]) >= 2,
      240,
    )
    assert.equal(seen.STATE, 'Training')
    assert.equal(seen.CLIENTS, '3/3')
    const status = await fedsam(stage(), 'status', NAME)
    for (const words of ['Training', ...SITES]) assert.ok(status.includes(words), status)
    assert.match(await fedsam(stage(), 'logs', NAME, '--client', 'axial'), /^\[axial network\] /m)
  })

  test('suspended in the middle of a round it gives everything back, and goes on where it was', async () => {
    await stage().kubectl(['patch', 'fj', NAME, '--type=merge', '-p', '{"spec":{"suspend":true}}'])
    await stage().kubectl(['wait', '--for=condition=Suspended', `fj/${NAME}`, '--timeout=60s'])
    await until(
      'no pod is left',
      () => stage().kubectl(['get', 'pods', '-o', 'name', '-l', `fedsam.dev/job=${NAME}`]),
      (names) => names.trim() === '',
    )
    const { STATE, ROUND } = await columns(stage())
    assert.equal(STATE, 'Suspended')
    const before = Number(ROUND!.split('/')[0])
    await stage().kubectl(['patch', 'fj', NAME, '--type=merge', '-p', '{"spec":{"suspend":false}}'])
    await until(
      'it trains again',
      () => stage().status(NAME),
      ({ training, summary }) => summary?.state === 'Training' && training!.round >= before,
      180,
    )
  })

  test('it completes, with the model that fedsam run of the same job has', async () => {
    await stage().complete(NAME)
    await stage().kubectl(['wait', '--for=condition=Complete', `fj/${NAME}`, '--timeout=60s'])
    const { AGE: _, METRIC, ...shown } = await columns(stage())
    assert.deepEqual(shown, { NAME, STATE: 'Complete', ROUND: `${ROUNDS}/${ROUNDS}`, CLIENTS: '3/3' })
    const { training } = await stage().status(NAME)
    assert.equal(training?.rounds?.length, 10)
    assert.match(training?.output?.uri ?? '', /^s3:\/\/fedsam\/team-a\/brain-tissue\/.+\/output$/)
    const local = await modelOfLocalRun(
      'examples/brain-tissue.yaml',
      'spec.trainer.segmentAnything.backend=TensorFlow',
      `spec.rounds=${ROUNDS}`,
    )
    assert.equal(await modelInBucket(stage(), NAME), local)
    assert.equal(training?.output?.digest, `sha256:${local}`)
  })

  test('kubectl fedsam verifies the record, and exports a checkpoint', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'fedsam-e2e-export-'))
    try {
      const endpoint = stage().credentials.AWS_ENDPOINT_URL_S3!
      const status = await fedsam(stage(), 'status', NAME)
      for (const words of ['Complete', `${ROUNDS} of ${ROUNDS}`, 's3://fedsam/team-a/brain-tissue/'])
        assert.ok(status.includes(words), status)
      const verify = ['verify', `fj/${NAME}`, '--endpoint', endpoint] as const
      await fedsam(stage(), ...verify)
      const key = await operatorKey(stage())
      const sound = await fedsam(stage(), ...verify, '--trust', key)
      assert.match(
        sound,
        /\nthe output is complete\nthe output is signed by the coordinator of epoch \d[^;\n]*\n(.*\n)*the record is sound\n$/,
      )
      const other = await startIn(stage(), ...verify, '--trust', 'a'.repeat(64))
      assert.equal(other.code, 1, other.stderr)
      assert.match(other.stdout, /\nno certifier of --trust vouches for the output: /)
      const model = join(folder, 'model')
      await fedsam(stage(), 'export', `fj/${NAME}`, '--to', model, '--endpoint', endpoint)
      assert.ok((await readdir(model)).includes('model.safetensors'))
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })

  test('deleted, it leaves nothing in the cluster', async () => {
    await stage().kubectl(['delete', 'fj', NAME, '--timeout=60s'])
    await until(
      'all children are gone',
      () =>
        stage().kubectl([
          'get',
          'jobs,pods,serviceaccounts,roles,rolebindings,networkpolicies',
          '-l',
          `fedsam.dev/job=${NAME}`,
          '-o',
          'name',
        ]),
      (names) => names.trim() === '',
    )
  })
}
