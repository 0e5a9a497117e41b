// The demo's job with three sites: each comes through one TLS host by `fedsam site join`, gets the checkpoint from the store, and trains
// Segment Anything on its own data. The model has the bytes of `fedsam run` of the same file.
import assert from 'node:assert/strict'
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { parse, stringify } from 'yaml'
import { loadJob } from '#cli/job/load.ts'
import { certifyBy } from '#coordinator/clients/local-certifier.ts'
import { coordinate } from '#coordinator/run/run-from-record.ts'
import { compileFixed, compileLive } from '#coordinator/settings/from-spec.ts'
import { DEFAULT_PACE } from '#coordinator/settings/settings.ts'
import { sha256 } from '#protocol/digest.ts'
import { COORDINATOR } from '#protocol/identity.ts'
import { systemClock } from '#runtime/clock.ts'
import { ROOT, startFedsam } from '../cli/fedsam.ts'
import { jobOf } from '../given/gate.ts'
import { CERTIFIER, keyNamed, seedNamed, TRUST } from '../given/signed.ts'
import { certificate } from '../given/websocket-server.ts'
import { openSiteEntry } from './entry.ts'

const NAMES = ['axial', 'coronal', 'sagittal']
const UID = 'brain-1'

/** Pictures of each site: few show as well as many that both ways have the same bytes. */
const PICTURES = 3

/** The demo's job with one short round, whose partitions are sites; in a new folder. */
async function jobFile(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-site-sam-'))
  t.after(() => rm(folder, { recursive: true }))
  const job = parse(await readFile(`${ROOT}examples/brain-tissue.yaml`, 'utf8'))
  const { spec } = job
  spec.rounds = 1
  Object.assign(spec.trainer.segmentAnything, { epochs: 1, backend: 'Wasm' })
  spec.trainer.segmentAnything.checkpoint.uri = `${ROOT}examples/models/sam-tiny-scenes`
  spec.partitions = NAMES.map((name) => ({ name, external: { publicKey: keyNamed(name).publicKey } }))
  spec.storage = { s3: { bucket: 'record', publicEndpoint: 'https://localhost' } }
  spec.messaging = { nats: { publicUrl: 'wss://localhost/bus' } }
  await writeFile(join(folder, 'job.yaml'), stringify(job))
  for (const name of NAMES)
    for (const part of ['images', 'masks']) {
      const from = `${ROOT}examples/data/brain-tissue/${name}/${part}`
      for (const file of (await readdir(from)).sort().slice(0, PICTURES))
        await cp(join(from, file), join(folder, 'data', name, part, file))
    }
  return folder
}

/** A site's folder inside of `folder`, with its file and key. */
async function siteFile(folder: string, name: string, host: string): Promise<string> {
  await writeFile(join(folder, `${name}.key`), seedNamed(name), { mode: 0o600 })
  const file = `${name}.yaml`
  const dataset = { path: join(folder, 'data', name), labels: [2] }
  const site = {
    key: `${name}.key`,
    folder: `state-${name}`,
    federations: [
      {
        name: 'brain',
        trust: TRUST,
        bus: `wss://${host}/bus`,
        store: `https://${host}`,
        ca: certificate('ca.pem'),
        jobs: [{ job: 'team/brain-tissue', dataset: 'brain' }],
      },
    ],
    datasets: { brain: dataset },
  }
  await writeFile(join(folder, file), stringify(site))
  return file
}

test('three sites train the demo: the bytes of fedsam run', async (t) => {
  const folder = await jobFile(t)
  const siteKeys = Object.fromEntries(NAMES.map((name) => [keyNamed(name).publicKey, name]))
  const { gate, edge, store } = await openSiteEntry(t, { jobs: [jobOf('brain-tissue', UID, [], siteKeys)] })
  const { name, spec } = await loadJob(join(folder, 'job.yaml'), [])
  const job = { name, namespace: 'team', uid: UID, generation: 1, spec }
  const checkpoint = `${ROOT}examples/models/sam-tiny-scenes`
  const fixed = compileFixed(job, { checkpoint, initialParameters: '', resumeFrom: '' })
  const live = compileLive(job)
  const stop = new AbortController()
  t.after(() => stop.abort())
  const sites = NAMES.map(async (site) => {
    const file = await siteFile(folder, site, edge.host)
    const { code, stdout, stderr } = await startFedsam(folder, ['site', 'join', file, 'team/brain-tissue'])
    assert.equal(code, 0, stdout + stderr)
  })
  const early = Promise.all(sites)
  await Promise.race([
    early,
    coordinate({
      store,
      bus: await gate.connect(UID, COORDINATOR),
      fixed,
      live: () => live,
      clock: systemClock(),
      pace: { ...DEFAULT_PACE, holdSeconds: 1 },
      observe: () => {},
      certify: certifyBy(CERTIFIER, fixed),
      signal: stop.signal,
    }),
  ])
  await early
  const local = NAMES.map((site, at) => [
    '--set',
    `partitions[${at}].dataset={root: data/${site}, labels: [2]}`,
  ])
  const { code, stdout, stderr } = await startFedsam(folder, [
    'run',
    'job.yaml',
    '--output',
    'local',
    ...local.flat(),
  ])
  assert.equal(code, 0, stdout + stderr)
  const expected = sha256(await readFile(join(folder, 'local', 'output', 'model.safetensors')))
  assert.equal(sha256((await store.get('output/model.safetensors'))!), expected)
})
