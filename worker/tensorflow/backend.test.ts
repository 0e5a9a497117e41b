// Backends: an explicit choice is loaded or an error, Auto falls back with the reason, and each backend has gradients.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { type BackendName, loadBackend } from './backend.ts'

const BACKENDS: [BackendName, string][] = [
  ['TensorFlow', 'tensorflow'],
  ['Wasm', 'wasm'],
  ['CPU', 'cpu'],
]
for (const [prefer, active] of BACKENDS)
  test(`${prefer}: is loaded when selected, and has gradients`, async () => {
    const { tf, name } = await loadBackend({ prefer })
    assert.equal(name, prefer)
    assert.equal(tf.getBackend(), active)
    const [slope] = await tf
      .grad((x) => tf.sum(tf.square(x)))(tf.tensor1d([3]))
      .data()
    assert.equal(slope, 6)
  })

test('native TensorFlow computes on one thread by default, for the same bytes on every machine', async () => {
  await loadBackend({ prefer: 'TensorFlow', threads: 4 })
  assert.equal(process.env.TF_NUM_INTRAOP_THREADS, '1')
})

test('Auto loads native TensorFlow where it is built', async () => {
  const { name, reason } = await loadBackend({ prefer: 'Auto' })
  assert.equal(name, 'TensorFlow')
  assert.match(reason, /^Native TensorFlow on the [CG]PU\.$/)
})

test('a backend without a GPU is rejected where a GPU is required', async () => {
  for (const prefer of ['Wasm', 'CPU'] as const)
    await assert.rejects(loadBackend({ prefer, requireGpu: true }), {
      code: 'NoAccelerator',
      message: /^A GPU is required, but/,
      remedy: /^Set backend to TensorFlow/,
    })
})

/** Runs a program in which native TensorFlow cannot be loaded. */
function withoutNative(options: string): string {
  const program = `
    import { registerHooks } from 'node:module'
    registerHooks({ resolve(name, context, next) {
      if (name.includes('tfjs-node')) throw new Error('no addon')
      return next(name, context)
    } })
    const { loadBackend } = await import(${JSON.stringify(new URL('./backend.ts', import.meta.url).href)})
    const said = await loadBackend(${options}).then(({ name, reason }) => name + ': ' + reason, (e) => e.code + ': ' + e.message)
    console.log(said)`
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    encoding: 'utf8',
  })
  return stdout.trim() || stderr
}

test('without the addon Auto falls back to wasm and gives the reason; the explicit choice fails', () => {
  assert.equal(
    withoutNative("{ prefer: 'Auto' }"),
    'Wasm: WebAssembly, on one core. Native TensorFlow cannot be loaded: no addon',
  )
  assert.equal(
    withoutNative("{ prefer: 'TensorFlow' }"),
    'NoAccelerator: Native TensorFlow cannot be loaded: no addon',
  )
})

test('a required GPU is never replaced by a slower backend', () => {
  assert.match(
    withoutNative("{ prefer: 'Auto', requireGpu: true }"),
    /^NoAccelerator: Native TensorFlow cannot be loaded/,
  )
})
