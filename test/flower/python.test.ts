// The Python package's own tests, by unittest, so that they run with all others.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { ensurePython, PYTHON_PACKAGE, TEST_PACKAGES } from '#scripts/python.ts'

test('fedsam_client', async () => {
  const python = await ensurePython(TEST_PACKAGES)
  const child = spawn(python, ['-m', 'unittest', '-v'], {
    cwd: join(PYTHON_PACKAGE, 'tests'),
    env: { ...process.env, PYTHONPATH: PYTHON_PACKAGE, PYTHONDONTWRITEBYTECODE: '1' },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString()
  })
  const code = await new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  assert.equal(code, 0, said)
  assert.match(said, /Ran \d\d+ tests/)
  // unittest ends with "OK (skipped=1)" where a test was skipped.
  assert.match(said, /\nOK\n*$/)
})
