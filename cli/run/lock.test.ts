// The lock of an output folder, held by real processes: one owner at a time, and a dead owner never blocks.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, test } from 'node:test'
import { FedsamError } from '#protocol/errors.ts'
import { LOCK_FOLDER } from '#runtime/folder-lock.ts'
import { lockOutput } from './lock.ts'

let dir = ''
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'fedsam-lock-'))
})
after(() => rm(dir, { recursive: true, force: true }))

const OWNER = `
import { lockOutput } from ${JSON.stringify(new URL('./lock.ts', import.meta.url).href)}
try {
  await lockOutput(process.argv[1])
  console.log('held')
} catch (error) {
  console.log(error.code + ': ' + error.message)
}
process.stdin.resume()
process.stdin.on('end', () => process.exit())
`

interface Contender {
  readonly child: ChildProcess
  readonly says: Promise<string>
}

/** A process that tries to take the lock, says what came of it, and stays until its input ends. */
function contend(output: string): Contender {
  const child = spawn(process.execPath, ['--input-type=module', '-e', OWNER, output], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: child.stdout! })
  return { child, says: once(lines, 'line').then(([line]) => line as string) }
}

async function end({ child }: Contender): Promise<void> {
  const closed = once(child, 'close')
  child.stdin!.end()
  await closed
}

test('of eight processes one gets the lock, and the others learn its process id', async () => {
  const output = join(dir, 'raced')
  const contenders = Array.from({ length: 8 }, () => contend(output))
  const said = await Promise.all(contenders.map(({ says }) => says))
  const owners = contenders.filter((_, i) => said[i] === 'held')
  assert.equal(owners.length, 1, said.join('\n'))
  const late = contend(output)
  assert.equal(await late.says, `OutputInUse: ${output} is in use by process ${owners[0]!.child.pid}`)
  await Promise.all([...contenders, late].map(end))
})

test('the lock of a killed owner is free', async () => {
  const output = join(dir, 'killed')
  const owner = contend(output)
  assert.equal(await owner.says, 'held')
  await assert.rejects(lockOutput(output), { code: 'OutputInUse', message: /in use by process \d+$/ })
  const closed = once(owner.child, 'close')
  owner.child.kill('SIGKILL')
  await closed
  const lock = await lockOutput(output)
  assert.deepEqual(
    JSON.parse(await readFile(join(output, LOCK_FOLDER, 'owner.json'), 'utf8')).pid,
    process.pid,
  )
  await lock.release()
})

test('within one process there is one owner too, and a released lock is free', async () => {
  const output = join(dir, 'own')
  const first = await lockOutput(output)
  await assert.rejects(lockOutput(output), { message: new RegExp(`process ${process.pid}$`) })
  await first.release()
  await (await lockOutput(output)).release()
  assert.deepEqual(await readdir(join(output, LOCK_FOLDER)), ['lock'])
})

test('a lock held on another host is named with it, and invalid text about an owner is ignored', async () => {
  const output = join(dir, 'named')
  const lock = await lockOutput(output)
  const file = join(output, LOCK_FOLDER, 'owner.json')
  for (const [text, says] of [
    ['{"pid": 7, "host": "elsewhere"}', /process 7 on elsewhere$/],
    ['{"pid": "\\u001b[2J"}', /another process$/],
    ['[', /another process$/],
  ] as const) {
    await writeFile(file, text)
    await assert.rejects(lockOutput(output), { message: says })
  }
  await lock.release()
})

test('a folder that cannot contain a lock is rejected with a remedy', async () => {
  await writeFile(join(dir, 'file'), '')
  await mkdir(join(dir, 'odd', LOCK_FOLDER, 'lock'), { recursive: true })
  for (const output of ['/dev/null', '/proc/fedsam', join(dir, 'file', 'below'), join(dir, 'odd')]) {
    await assert.rejects(lockOutput(output), (error) => {
      assert.ok(error instanceof FedsamError, String(error))
      assert.equal(error.code, 'OutputInUse')
      assert.match(error.message, /cannot be written/)
      return error.remedy !== ''
    })
  }
})
