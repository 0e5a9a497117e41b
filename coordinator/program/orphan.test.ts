// A program whose coordinator was killed, and which goes on without it. Kills at every write: test/federation/exchange-kills.test.ts.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { makeFolders } from '#runtime/folders.ts'
import type { Orders } from '#test/programs/coordinator.ts'
import { newFolder, notesOf, runScripted } from '#test/programs/scripted.ts'
import { openFilesystemStore } from '#transport/store/filesystem/store.ts'

const COORDINATOR = fileURLToPath(new URL('../../test/programs/coordinator.ts', import.meta.url))

let folder: string
before(async () => {
  folder = await newFolder()
})
after(() => rm(folder, { recursive: true, force: true }))

async function killedAt(orders: Orders): Promise<void> {
  const child = spawn(process.execPath, [COORDINATOR, JSON.stringify(orders)], { stdio: 'inherit' })
  const [code, signal] = await once(child, 'exit')
  assert.deepEqual([code, signal], [null, 'SIGKILL'], `${orders.phase} ${orders.key}`)
}

type Kill = Pick<Orders, 'key' | 'phase' | 'flaw'>

function folderOf(kill: Kill | null): string {
  return join(folder, kill === null ? 'whole' : `${kill.flaw}-${kill.phase}-${kill.key.replaceAll('/', '-')}`)
}

/** Ends a coordinator at this write, and resolves to the output of its successor. */
async function outputAfter(kill: Kill | null): Promise<string> {
  const own = folderOf(kill)
  const record = join(own, 'record')
  await makeFolders(record)
  if (kill !== null) await killedAt({ ...kill, record, folder: own })
  const store = await openFilesystemStore({ folder: record, durable: false })
  await runScripted({ store, folder: own, flaw: kill?.flaw ?? 'none' })
  const notes = await readFile(notesOf(own), 'utf8')
  assert.doesNotMatch(notes, /dirty/, 'every life finds its folder empty')
  const manifest = JSON.parse(await readFile(join(record, 'output/manifest.json'), 'utf8'))
  // The digests of markers have the epoch of their coordinator in them; the model, the file and the metrics do not.
  const kept = manifest.files.filter(({ name }: { name: string }) =>
    ['model.safetensors', 'history.txt', 'metrics.json'].includes(name),
  )
  return JSON.stringify(kept)
}

test('a program that goes on without its coordinator is ended before the next life begins', async () => {
  const wanted = await outputAfter(null)
  const orders = { key: 'exchanges/2/decision.json', phase: 'after', flaw: 'lingers' } as const
  assert.equal(await outputAfter(orders), wanted)
  const lives = await readFile(notesOf(folderOf(orders)), 'utf8')
  const [, pid] = /^life 1, empty, process (\d+)$/m.exec(lives)!
  // A process that ended has no command, also where nobody has waited for its end.
  assert.equal(await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''), '')
})
