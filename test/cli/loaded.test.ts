// What the command loads: a run with a program of its own, and reading a record in a folder, load no Kubernetes client, no AWS SDK and no
// decoder of pictures. Each costs more than the rest of the start.
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { ROOT, startFedsam, toyJob } from './fedsam.ts'

const HEAVY = /^(@kubernetes\/client-node|@aws-sdk\/.*|@tensorflow\/.*|sharp|undici)$/

let dir = ''
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'fedsam-loaded-'))
  await writeFile(join(dir, 'toy.yaml'), toyJob(1))
})
after(() => rm(dir, { recursive: true, force: true }))

/** The packages that the command loads. Its trainers have an environment of their own. */
async function loadedBy(args: readonly string[]): Promise<string[]> {
  const LOADED = join(dir, 'loaded.json')
  const NODE_OPTIONS = `--import=${ROOT}test/given/loaded-packages.ts`
  const { code, stderr } = await startFedsam(dir, args, { env: { LOADED, NODE_OPTIONS } })
  assert.equal(code, 0, stderr)
  return JSON.parse(await readFile(LOADED, 'utf8')) as string[]
}

test('run, plan, verify and export of a job with its own program load no heavy package', async () => {
  for (const args of [
    ['run', 'toy.yaml', '--output', 'toy'],
    ['plan', 'toy.yaml'],
    ['verify', 'toy'],
    ['export', 'toy', '--to', 'exported'],
  ]) {
    const loaded = await loadedBy(args)
    assert.ok(loaded.includes('valibot'), `${loaded}`)
    assert.deepEqual(
      loaded.filter((name) => HEAVY.test(name)),
      [],
      args.join(' '),
    )
  }
})
