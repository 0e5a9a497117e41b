// The files of a client's state during a task: the trainer shares their folder, so what it puts there is checked as an update is.
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, describe, test } from 'node:test'
import { sha256 } from '#protocol/digest.ts'
import type { Task } from '#protocol/messages.ts'
import { createReusedBuffer } from '#runtime/reused-buffer.ts'
import { createGrantedTransfers } from '#transport/grants/transfers.ts'
import { leftState } from '../trainer/seam.ts'
import { dropState, openState, type StateOfTask, takeState, withState } from './client-state.ts'
import { isSameWork } from './task.ts'

let folder: string
let output: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fedsam-state-'))
})
after(() => rm(folder, { recursive: true, force: true }))
beforeEach(async () => {
  output = join(folder, 'left.state')
  await rm(output, { recursive: true, force: true })
})

const fresh = (): StateOfTask => ({ place: 'Record', maxBytes: 4, base: null, current: null })

describe('a state that a call left', () => {
  const wrong: readonly (readonly [what: string, make: () => Promise<unknown>, says: RegExp])[] = [
    ['is missing', async () => {}, /answered a state, and wrote no file/],
    ['is a link', () => symlink('/etc/hostname', output), /is a link/],
    ['is a folder', () => mkdir(output), /is a folder|cannot be/],
    ['is larger than the job allows', () => writeFile(output, '12345'), /has 5 bytes; the limit is 4 bytes/],
  ]
  for (const [what, make, message] of wrong)
    test(`${what}: the call fails`, async () => {
      await make()
      await assert.rejects(takeState(fresh(), output), { code: 'TrainerFailed', message })
    })

  test('takes the place of the one before, and its file is what the next call gets', async () => {
    const state = fresh()
    await writeFile(output, 'one')
    await takeState(state, output)
    const next = join(folder, 'next.state')
    await writeFile(next, 'left by an earlier call')
    const { state: files } = await withState({ config: {} }, state, next)
    assert.deepEqual(files, { input: output, output: next })
    await assert.rejects(readFile(next), { code: 'ENOENT' })
    await dropState(state)
    await assert.rejects(readFile(output), { code: 'ENOENT' })
  })

  test('at another path than the call named fails the call: FedSAM reads no file that it did not name', () => {
    const parameters = { config: {}, state: { input: null, output } }
    assert.equal(leftState(output, parameters), true)
    assert.equal(leftState(undefined, parameters), false)
    assert.throws(() => leftState('/etc/shadow', parameters), {
      code: 'TrainerFailed',
      message: /call named/,
    })
    assert.throws(() => leftState(output, {}), /takes no state/)
  })
})

describe('a task', () => {
  const BYTES = new TextEncoder().encode('mine')
  const SHA = sha256(BYTES)
  const options = () => ({
    states: join(folder, 'states'),
    buffer: createReusedBuffer(),
    ask: async () => assert.fail('nothing is asked'),
    transfers: createGrantedTransfers(),
    log: () => {},
  })
  const taskOf = (dataset: string): Task => {
    const last = { sha256: SHA, size: BYTES.length, dataset, key: null }
    return {
      kind: 'Train',
      seed: 's',
      base: null,
      round: 2,
      state: { place: 'Local', maxBytes: 9, last },
    } as unknown as Task
  }
  const kept = async (bytes: Uint8Array): Promise<void> => {
    await mkdir(join(folder, 'states'), { recursive: true })
    await writeFile(join(folder, 'states', `${SHA}.state`), bytes)
  }

  test('goes on from the bytes with the digest that it names', async () => {
    await kept(BYTES)
    assert.equal((await openState(taskOf('d'), 'd', options()))?.base, SHA)
  })

  test('starts afresh where these are lost, damaged, or of another data set', async () => {
    await kept(new TextEncoder().encode('other'))
    assert.deepEqual(await openState(taskOf('d'), 'd', options()), {
      place: 'Local',
      maxBytes: 9,
      base: null,
      current: null,
    })
    await kept(BYTES)
    assert.equal((await openState(taskOf('another'), 'd', options()))?.base, null)
    await rm(join(folder, 'states'), { recursive: true })
    assert.equal((await openState(taskOf('d'), 'd', options()))?.base, null)
  })

  test('with another state is other work: its update and its next state differ', () => {
    const one = taskOf('d')
    const last = { ...one.state!.last!, sha256: 'e'.repeat(64) }
    assert.ok(isSameWork(one, { ...taskOf('d'), attempt: 2 }))
    assert.ok(!isSameWork(one, { ...one, state: { ...one.state!, last } }))
    assert.ok(!isSameWork(one, { ...one, state: { ...one.state!, last: null } }))
    assert.ok(!isSameWork(one, taskOf('another')))
  })

  test('of a coordinator that keeps no states names none', async () => {
    assert.equal(await openState({ round: 1 } as Task, 'd', options()), null)
  })
})
