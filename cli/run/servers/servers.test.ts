// The servers start, stop, restart on the same port, and never outlive the process that started them.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { until } from '#test/until.ts'
import { startNats, startS3 } from './servers.ts'

async function withFolder(check: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-servers-'))
  await check(folder).finally(() => rm(folder, { recursive: true }))
}

/** Whether a process exists and is not a zombie. */
async function isRunning(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0)
  } catch {
    return false
  }
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  return !/\) [ZX] /.test(stat)
}

const ends = (pid: number): Promise<void> => until(`server ${pid} ends`, async () => !(await isRunning(pid)))

test('both servers start at the same time, answer, and stop', async () => {
  await withFolder(async (folder) => {
    const [nats, s3] = await Promise.all([
      startNats({ folder: join(folder, 'nats') }),
      startS3({ folder: join(folder, 's3'), bucket: 'fedsam' }),
    ])
    assert.ok(await isRunning(nats.pid))
    const answer = await fetch(`${s3.endpoint}/${s3.bucket}/absent`)
    assert.equal(answer.status, 403) // it asks for a signature
    await Promise.all([nats.stop(), s3.stop()])
    assert.deepEqual(await Promise.all([isRunning(nats.pid), isRunning(s3.pid)]), [false, false])
    await nats.stop()
  })
})

test('a server restarts on the same port with the same keys', async () => {
  await withFolder(async (folder) => {
    const first = await startS3({ folder, bucket: 'fedsam' })
    await first.stop()
    const second = await startS3({ folder, bucket: 'fedsam', port: first.port })
    assert.deepEqual([second.endpoint, second.secretKey], [first.endpoint, first.secretKey])
    await second.stop()
  })
})

test('a server that cannot start is an error with the reason', async () => {
  await withFolder(async (folder) => {
    const env = { FEDSAM_NATS_SERVER: '/bin/false' }
    await assert.rejects(startNats({ folder, env }), {
      code: 'MessagingUnreachable',
      message: /did not start/,
    })
  })
})

test('servers end with the process that started them, even if it is killed', async () => {
  await withFolder(async (folder) => {
    const program = `
      import { startNats, startS3 } from './servers.ts'
      const nats = await startNats({ folder: ${JSON.stringify(join(folder, 'nats'))} })
      const s3 = await startS3({ folder: ${JSON.stringify(join(folder, 's3'))}, bucket: 'fedsam' })
      console.log(JSON.stringify([nats.pid, s3.pid]))
      setInterval(() => {}, 1000)`
    const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
      cwd: import.meta.dirname,
    })
    const lines = createInterface({ input: child.stdout })
    const [line] = await Promise.race([once(lines, 'line'), once(lines, 'close')])
    assert.ok(line !== undefined, 'the starter ended before it had started the servers')
    const pids: number[] = JSON.parse(line)
    assert.deepEqual(await Promise.all(pids.map(isRunning)), [true, true])
    child.kill('SIGKILL')
    await Promise.all(pids.map(ends))
  })
})
