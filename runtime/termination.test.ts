// The last word of a program in a pod: JSON that fits what the kubelet keeps, and never a second error.
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { leaveLastWord } from './termination.ts'

let folder: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fedsam-termination-'))
})
after(() => rm(folder, { recursive: true, force: true }))

test('code, message and remedy are JSON in the file that the environment names', async () => {
  const file = join(folder, 'log')
  const word = { code: 'BadData', message: 'there is no picture', remedy: 'put one there' }
  leaveLastWord({ FEDSAM_TERMINATION_LOG: file }, word)
  assert.deepEqual(JSON.parse(await readFile(file, 'utf8')), word)
})

test('a long message is cut, and what is left is JSON of at most 4096 bytes', async () => {
  const file = join(folder, 'long')
  const message = 'ä'.repeat(9000)
  leaveLastWord({ FEDSAM_TERMINATION_LOG: file }, { code: 'BadData', message, remedy: 'r' })
  const text = await readFile(file)
  assert.ok(text.length <= 4096 && text.length > 3000)
  assert.ok(message.startsWith(JSON.parse(text.toString()).message))
})

test('a file that cannot be written is nobody’s error', () => {
  const word = { code: 'BadData', message: '', remedy: '' }
  leaveLastWord({ FEDSAM_TERMINATION_LOG: join(folder, 'nowhere', 'log') }, word)
})
