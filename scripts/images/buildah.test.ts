// The lock of the image storage, with real processes.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { withLock } from './buildah.ts'

async function inFolder(check: (lock: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-lock-'))
  await check(join(folder, 'lock')).finally(() => rm(folder, { recursive: true }))
}

test('work under the lock never overlaps, and an error releases it', async () => {
  await inFolder(async (lock) => {
    let inside = 0
    const work = async (): Promise<void> => {
      inside += 1
      assert.equal(inside, 1)
      // Another call that gets in does so before this process has started and ended.
      await once(spawn('true', { stdio: 'ignore' }), 'close')
      inside -= 1
    }
    await assert.rejects(
      withLock(lock, async () => {
        throw new Error('the build failed')
      }),
      /the build failed/,
    )
    await Promise.all([withLock(lock, work), withLock(lock, work), withLock(lock, work)])
  })
})

test('a killed process releases the lock', async () => {
  await inFolder(async (lock) => {
    const module = JSON.stringify(fileURLToPath(new URL('buildah.ts', import.meta.url)))
    const program = `const { withLock } = await import(${module})
      await withLock(${JSON.stringify(lock)}, () => { console.log('held'); return new Promise(() => setInterval(() => {}, 1000)) })`
    const holder = spawn(process.execPath, ['--input-type=module', '--eval', program], {
      cwd: join(import.meta.dirname, '..', '..'),
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(holder.stdout, 'data')
    let mine = false
    const waiting = withLock(lock, async () => {
      mine = true
    })
    assert.equal(mine, false)
    holder.kill('SIGKILL')
    await waiting
    assert.ok(mine)
  })
})
