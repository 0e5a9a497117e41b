// Building the servers' executables, with a stand-in for Go that counts how often it is called.

import assert from 'node:assert/strict'
import { access, chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { ensureBinary } from './binaries.ts'

/** A folder with a `go` of ours on the path, and an empty cache. `install` is what `go install` does, in sh. */
async function withGo(
  install: string,
  check: (env: Record<string, string>, folder: string) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-binaries-'))
  const go = `#!/bin/sh\necho "$@" >> "${folder}/calls"\nif [ "$1" = install ]; then ${install}\nfi\n`
  await mkdir(join(folder, 'path'))
  await writeFile(join(folder, 'path', 'go'), go)
  await chmod(join(folder, 'path', 'go'), 0o755)
  const path = `${join(folder, 'path')}:/usr/bin:/bin`
  await check({ PATH: path, XDG_CACHE_HOME: join(folder, 'cache') }, folder).finally(() =>
    rm(folder, { recursive: true }),
  )
}

const BUILDS =
  'mkdir -p "$GOBIN"; sleep 0.3; echo built > "$GOBIN/nats-server"; chmod +x "$GOBIN/nats-server"'
const installs = async (folder: string): Promise<string[]> => {
  return (await readFile(join(folder, 'calls'), 'utf8'))
    .split('\n')
    .filter((line) => line.startsWith('install'))
}

test('many concurrent callers share one build of the pinned version, and the next caller builds nothing', async () => {
  await withGo(BUILDS, async (env, folder) => {
    const lines: string[] = []
    const log = (line: string) => lines.push(line)
    const paths = await Promise.all([1, 2, 3].map(() => ensureBinary('nats-server', { env, log })))
    assert.equal(new Set(paths).size, 1)
    assert.match(paths[0] ?? '', /cache\/fedsam\/bin\/nats-server-[\d.]+\/nats-server$/)
    assert.equal(await readFile(paths[0] ?? '', 'utf8'), 'built\n')
    await ensureBinary('nats-server', { env })
    const calls = await installs(folder)
    assert.equal(calls.length, 1)
    assert.match(calls[0] ?? '', /nats-server\/v2@v[\d.]+$/)
    assert.match(lines[0] ?? '', /^building nats-server v/)
    assert.deepEqual(await readdir(dirname(paths[0] ?? '')), ['nats-server'])
  })
})

test('a lock whose owner is dead is taken over', async () => {
  await withGo(BUILDS, async (env, folder) => {
    const path = await ensureBinary('nats-server', { env })
    await rm(path)
    await writeFile(join(dirname(path), 'building'), '999999999')
    assert.equal(await ensureBinary('nats-server', { env }), path)
    assert.equal((await installs(folder)).length, 2)
  })
})

test('a failed build gives the reason and leaves no file', async () => {
  await withGo('echo "module not found" >&2; exit 3', async (env, folder) => {
    await assert.rejects(ensureBinary('versitygw', { env }), {
      code: 'StorageUnreachable',
      message: /go ended with 3: module not found/,
      remedy: /FEDSAM_VERSITYGW/,
    })
    const [version = ''] = await readdir(join(folder, 'cache', 'fedsam', 'bin'))
    assert.deepEqual(await readdir(join(folder, 'cache', 'fedsam', 'bin', version)), [])
  })
})

test('without Go, the error names how to install it', async () => {
  await withGo('', async (env, folder) => {
    await assert.rejects(ensureBinary('nats-server', { env: { ...env, PATH: join(folder, 'none') } }), {
      code: 'MessagingUnreachable',
      remedy: /install Go .* FEDSAM_NATS_SERVER/,
    })
  })
})

test('an executable that the environment names is used unchanged', async () => {
  await withGo('', async (env, folder) => {
    const named = { ...env, FEDSAM_NATS_SERVER: '/somewhere/nats-server' }
    assert.equal(await ensureBinary('nats-server', { env: named }), '/somewhere/nats-server')
    await assert.rejects(access(join(folder, 'cache')))
  })
})
