// The ledger on a real disk: killed processes, a second process, a full disk, damaged and lost files.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, mkdtemp, readFile, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import { AUDIT_FILE } from '../audit/audit-log.ts'
import type { Charge, Usage } from '../policy/decide-task.ts'
import { usageOf } from './counts.ts'
import { LEDGER_FILE, type Ledger, openLedger, readCounts } from './ledger.ts'

const NOW = Date.UTC(2026, 10, 30, 12)
const DAY = '2026-11-30'

async function folderOf(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-ledger-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  return folder
}

const task = (name: number) => ({ dataset: 'brain', run: 'run', task: String(name).padStart(64, '0') })

/** Charges an update as long as the data set gave fewer than `most`. */
function charge(ledger: Ledger, name: number, most = 1000): Promise<{ charge?: Charge; again?: true }> {
  return ledger.charge(task(name), NOW, (usage: Usage | undefined) => {
    if (usage === undefined) return { again: true as const }
    return usage.updates < most ? { charge: { updates: 1, evaluations: 0 } as const } : {}
  })
}

const updatesIn = async (folder: string): Promise<number> =>
  usageOf(await readCounts(folder), 'brain', DAY).updates

test('a count is on the disk when it is allowed, and a second process continues from it', async (t) => {
  const folder = await folderOf(t)
  const first = await openLedger(folder)
  assert.ok((await charge(first, 1)).charge)
  assert.equal(await updatesIn(folder), 1)
  assert.equal((await stat(join(folder, LEDGER_FILE))).mode & 0o777, 0o600)
  await first.close()
  const second = await openLedger(folder)
  assert.ok((await charge(second, 1)).again, 'the same task takes nothing new')
  await charge(second, 2)
  await second.close()
  assert.equal(await updatesIn(folder), 2)
})

test('tasks that ask at once get no more than the limit together', async (t) => {
  const ledger = await openLedger(await folderOf(t))
  const asked = await Promise.all(Array.from({ length: 20 }, (_, name) => charge(ledger, name, 5)))
  assert.equal(asked.filter((one) => one.charge !== undefined).length, 5)
  await ledger.close()
})

test('a process that is killed at any moment leaves every count that it reported', async (t) => {
  const folder = await folderOf(t)
  const script = `
    import { openLedger } from ${JSON.stringify(new URL('./ledger.ts', import.meta.url).href)}
    const ledger = await openLedger(process.argv[1])
    for (let at = Number(process.argv[2]); ; at++) {
      const task = { dataset: 'brain', run: 'run', task: String(at).padStart(64, '0') }
      await ledger.charge(task, ${NOW}, () => ({ charge: { updates: 1, evaluations: 0 } }))
      console.log(at)
    }`
  let reported = 0
  for (const lines of [1, 3, 8, 20]) {
    const args = ['--input-type=module', '-e', script, folder, String(reported * 10)]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    const closed = once(child, 'close')
    let seen = 0
    for await (const _ of createInterface({ input: child.stdout })) {
      seen += 1
      if (seen === lines) child.kill('SIGKILL')
    }
    await closed
    reported += seen
    const kept = await updatesIn(folder)
    assert.ok(kept >= reported, `${kept} counts are kept, and ${reported} were reported`)
    reported = kept
  }
})

test('one process at a time holds the ledger', async (t) => {
  const folder = await folderOf(t)
  const ledger = await openLedger(folder)
  await assert.rejects(openLedger(folder), { code: 'OutputInUse' })
  await ledger.close()
  await (await openLedger(folder)).close()
})

test('a damaged ledger is refused, is not replaced, and frees its lock', async (t) => {
  const folder = await folderOf(t)
  const file = join(folder, LEDGER_FILE)
  const ledger = await openLedger(folder)
  await charge(ledger, 1)
  await ledger.close()
  const good = await readFile(file)
  const damages: readonly (() => Promise<void>)[] = [
    () => truncate(file, 0),
    () => truncate(file, good.length - 1),
    () => appendFile(file, '\n'),
    () => writeFile(file, 'x'.repeat(2 ** 21)),
  ]
  for (const damage of damages) {
    await writeFile(file, good)
    await damage()
    const bytes = await readFile(file)
    for (let times = 0; times < 2; times++)
      await assert.rejects(openLedger(folder), { code: 'RecordDamaged' })
    assert.deepEqual(await readFile(file), bytes)
  }
})

test('a ledger that was lost is refused where the audit log shows that there was one', async (t) => {
  const folder = await folderOf(t)
  await (await openLedger(folder)).close()
  await writeFile(join(folder, AUDIT_FILE), '{}\n')
  await (await openLedger(folder)).close()
  await rm(join(folder, LEDGER_FILE))
  await assert.rejects(openLedger(folder), { code: 'RecordDamaged', message: /is missing/ })
})

test('on a full disk a task is refused, and the counts of before stay', async (t) => {
  const folder = await folderOf(t)
  const ledger = await openLedger(folder)
  await charge(ledger, 1)
  await symlink('/dev/full', join(folder, `${LEDGER_FILE}.new`))
  await assert.rejects(charge(ledger, 2), {
    code: 'SiteRefused',
    message: 'the site cannot write its ledger (ENOSPC)',
  })
  await assert.rejects(charge(ledger, 2), { code: 'SiteRefused' })
  assert.equal(await updatesIn(folder), 1)
  await rm(join(folder, `${LEDGER_FILE}.new`))
  assert.ok((await charge(ledger, 2)).again)
  assert.equal(await updatesIn(folder), 2, 'the count is on the disk before the task is allowed')
  assert.ok((await charge(ledger, 3)).charge)
  assert.equal(await updatesIn(folder), 3, 'a task that could not be written stays counted')
  await ledger.close()
})
