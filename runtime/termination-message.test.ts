// A program's last message in a pod: JSON that fits the kubelet's limit, and never a second error.
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { leaveLastWord } from './termination-message.ts'

let folder: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fedsam-termination-'))
})
after(() => rm(folder, { recursive: true, force: true }))

test('writes code, message and remedy as JSON to the file that the environment names', async () => {
  const file = join(folder, 'log')
  const word = { code: 'BadData', message: 'there is no picture', remedy: 'put one there' }
  leaveLastWord({ FEDSAM_TERMINATION_LOG: file }, word)
  assert.deepEqual(JSON.parse(await readFile(file, 'utf8')), word)
})

test('cuts a long message, so that the JSON has at most 4096 bytes', async () => {
  const file = join(folder, 'long')
  const message = 'ä'.repeat(9000)
  leaveLastWord({ FEDSAM_TERMINATION_LOG: file }, { code: 'BadData', message, remedy: 'r' })
  const text = await readFile(file)
  assert.ok(text.length <= 4096 && text.length > 3000)
  assert.ok(message.startsWith(JSON.parse(text.toString()).message))
})

test('ignores a file that it cannot write', () => {
  const word = { code: 'BadData', message: '', remedy: '' }
  leaveLastWord({ FEDSAM_TERMINATION_LOG: join(folder, 'nowhere', 'log') }, word)
})
