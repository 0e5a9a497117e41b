// Which processes belong to a child, and how much processor time they used.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { familyOf, type ProcessTimes, processorAccount, readStat } from './process-times.ts'

const REST = 'S 7 8 9 0 -1 4194304 102 0 0 0 3 4 5 6 20 0 1 0 93836 3133440 416 18446744073709551615'
const READ = { pid: 42, parent: 7, group: 8, session: 9, began: 93836, own: 7, waited: 11 }

describe('the line of a process', () => {
  for (const name of ['python3', 'a) S 1 1 (b', ') ', 'two\nlines', 'tmux: server', '']) {
    test(`with the name ${JSON.stringify(name)}`, () => {
      assert.deepEqual(readStat(`42 (${name}) ${REST} 0 0\n`), READ)
    })
  }

  test('without a name, as the script of a pod gives it', () =>
    assert.deepEqual(readStat(`42 ${REST}`), READ))

  test('that does not exist', () => {
    for (const text of ['', '42', '42 (cut) S 7 8', 'no numbers at all', '-'])
      assert.equal(readStat(text), undefined)
  })

  test('of this process', { skip: process.platform !== 'linux' && 'there is no /proc' }, () => {
    const { pid, parent } = readStat(readFileSync('/proc/self/stat', 'utf8'))!
    assert.deepEqual([pid, parent], [process.pid, process.ppid])
  })
})

const one = (pid: number, parent: number, more: Partial<ProcessTimes> = {}): ProcessTimes => ({
  pid,
  parent,
  group: pid,
  session: pid,
  began: pid,
  own: 0,
  waited: 0,
  ...more,
})

test('a family is the root, its descendants, its session and group, and those seen before with theirs', () => {
  const all = [
    one(1, 0),
    one(10, 1),
    one(11, 10),
    one(12, 11),
    one(20, 1, { session: 10 }),
    one(21, 20),
    one(30, 1, { group: 10 }),
    one(40, 1),
    one(41, 40),
    one(50, 1),
  ]
  const pids = familyOf(all, 10, ({ pid }) => pid === 40).map(({ pid }) => pid)
  assert.deepEqual(
    pids.sort((a, b) => a - b),
    [10, 11, 12, 20, 21, 30, 40, 41],
  )
})

test('a cycle of parents, which a snapshot of changing processes can contain, ends', () => {
  assert.equal(familyOf([one(10, 11), one(11, 10)], 10).length, 2)
})

describe('a sum of processor time', () => {
  test('grows by what each process used', () => {
    const account = processorAccount()
    assert.equal(account.add([one(1, 0, { own: 5 })]), 5)
    assert.equal(account.add([one(1, 0, { own: 5 })]), 5)
    assert.equal(account.add([one(1, 0, { own: 7, waited: 1 }), one(2, 1, { own: 3 })]), 11)
  })

  test('does not decrease where a process ends and no parent waits for it, and counts later work', () => {
    const account = processorAccount()
    account.add([one(1, 0, { own: 5 }), one(2, 1, { own: 1000 })])
    assert.equal(account.add([one(1, 0, { own: 5 })]), 1005)
    assert.equal(account.add([one(1, 0, { own: 6 })]), 1006)
  })

  test('treats a reused pid as another process', () => {
    const account = processorAccount()
    account.add([one(2, 1, { own: 1000, began: 1 })])
    assert.equal(account.add([one(2, 1, { own: 4, began: 2 })]), 1004)
  })
})
