// Building native TensorFlow: a sentence names the tool that the machine lacks, a wrong download is rejected and deleted, and a
// cached build is only linked. A machine with an empty cache runs the cold build too.
import assert from 'node:assert/strict'
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { ensureTensorFlow } from './build.ts'

const original = { path: process.env.PATH, cache: process.env.XDG_CACHE_HOME }
let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fedsam-build-'))
})
afterEach(async () => {
  process.env.PATH = original.path
  if (original.cache === undefined) delete process.env.XDG_CACHE_HOME
  else process.env.XDG_CACHE_HOME = original.cache
  await rm(folder, { recursive: true })
})

/** A machine with an empty cache on which only these commands exist, as shell scripts. */
async function pretend(commands: Record<string, string>): Promise<string> {
  const bin = join(folder, 'bin')
  await mkdir(bin)
  for (const [name, script] of Object.entries(commands)) {
    await writeFile(join(bin, name), `#!/bin/sh\n${script}\n`)
    await chmod(join(bin, name), 0o755)
  }
  process.env.PATH = bin
  process.env.XDG_CACHE_HOME = join(folder, 'cache')
  return join(folder, 'cache', 'fedsam', 'tensorflow')
}

const silently = { log: () => undefined }

test('the reason names the missing tool: python3, pip, or g++', async () => {
  await pretend({})
  assert.match((await ensureTensorFlow(silently)).reason, /^python3 with pip is not installed/)
  await rm(join(folder, 'bin'), { recursive: true })
  await pretend({ python3: 'echo "No module named pip" >&2; exit 1' })
  assert.deepEqual(await ensureTensorFlow(silently), {
    built: false,
    reason:
      'python3 with pip is not installed, so native TensorFlow cannot be built; install it: No module named pip.',
  })
  await rm(join(folder, 'bin'), { recursive: true })
  await pretend({ python3: 'exit 0' })
  assert.match((await ensureTensorFlow(silently)).reason, /^g\+\+ is not installed, .*; install it/)
})

test('a failed download and a wrong one leave no file', async () => {
  const cache = await pretend({
    'g++': 'exit 0',
    python3: '[ "$3" = --version ] || { echo "no network" >&2; exit 1; }',
  })
  assert.match((await ensureTensorFlow(silently)).reason, /could not be downloaded with pip: no network\.$/)
  await rm(join(folder, 'bin'), { recursive: true })
  const path = `PATH=${original.path?.split(delimiter).join(':')}`
  const download = 'while [ "$1" != --dest ]; do shift; done; mkdir -p "$2"; echo other > "$2/tensorflow.whl"'
  await pretend({ 'g++': 'exit 0', python3: `${path}; [ "$3" = --version ] || { ${download}; }` })
  const lines: string[] = []
  const { built, reason } = await ensureTensorFlow({ log: (line) => lines.push(line) })
  assert.equal(built, false)
  assert.match(reason, /^The wheel tensorflow\.whl has SHA-256 \w+ where \w+ is pinned; it was not used\.$/)
  assert.match(lines[0]!, /^downloading tensorflow-cpu/)
  assert.deepEqual(await readdir(cache), [])
})

test('a cached build is used, also by two concurrent runs', async () => {
  const [one, other] = await Promise.all([ensureTensorFlow(silently), ensureTensorFlow(silently)])
  assert.equal(one.built, true, one.reason)
  assert.equal(other.built, true, other.reason)
})
