// What leaves the images: the packages that scanners report are gone, and no program of an image misses one of those that go. Shown on
// this checkout's packages: a program runs in which none of the removed ones can be found.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { ROOT } from './dockerfile.ts'
import { unusedPackages } from './prune-packages.ts'

const root = resolve(ROOT)
const INSTALLERS = ['adm-zip', 'core-js', 'make-dir', 'regenerator-runtime', 'rimraf', 'tar', 'yargs']

/** The arguments of the script in the Dockerfile: one list for each stage that runs it. */
const stages = [
  ...readFileSync(join(root, 'Dockerfile'), 'utf8')
    .replaceAll(/\\\n\s*/g, '')
    .matchAll(/node scripts\/images\/prune-packages\.ts((?: [@\w/-]+)*)/g),
].map(([, names]) => names!.trim().split(' ').filter(Boolean))

const removed = (without: readonly string[]): string[] => unusedPackages(root, without)
const named = (folders: readonly string[]): string[] =>
  folders.map((folder) => relative(join(root, 'node_modules'), folder))

/** Runs a program in which the folders do not exist; resolves to what it wrote. */
function runWithout(folders: readonly string[], program: string): string {
  const hooks = `
    import { registerHooks } from 'node:module'
    const gone = ${JSON.stringify(folders.map((folder) => `${pathToFileURL(folder).href}/`))}
    registerHooks({ resolve(name, context, next) {
      const found = next(name, context)
      if (gone.some((folder) => found.url.startsWith(folder))) throw new Error('not in the image: ' + found.url)
      return found
    } })
    ${program}`
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', hooks], {
    cwd: root,
    encoding: 'utf8',
    env: { PATH: process.env.PATH, HOME: process.env.HOME, TF_CPP_MIN_LOG_LEVEL: '3' },
  })
  return `${stdout}${stderr}`
}

test('no image has the packages of installers, and control images have no TensorFlow', () => {
  assert.equal(stages.length, 2, 'the Dockerfile removes packages of the workers and of the control programs')
  for (const without of stages) {
    const names = named(removed(without))
    assert.deepEqual(
      INSTALLERS.filter((name) => !names.includes(name)),
      [],
    )
    assert.equal(names.includes('@tensorflow/tfjs-core'), without.length > 0)
    assert.equal(names.includes('sharp'), without.length > 0)
    assert.ok(!names.includes('nats') && !names.includes('@aws-sdk/client-s3'))
  }
})

test('native TensorFlow, WebAssembly and pictures work without them', () => {
  const folders = removed([])
  const said = runWithout(
    folders,
    `const { loadBackend } = await import('./worker/tensorflow/backend.ts')
     for (const prefer of ['TensorFlow', 'Wasm', 'CPU']) {
       const { tf, name } = await loadBackend({ prefer })
       console.log(name, (await tf.add(tf.tensor1d([1]), 2).data())[0])
     }
     await import('sharp')
     console.log('pictures')`,
  )
  for (const words of ['TensorFlow 3', 'Wasm 3', 'CPU 3', 'pictures']) assert.ok(said.includes(words), said)
})

test('every program of an image starts without them', () => {
  const control = stages.find((names) => names.length > 0)!
  const programs: readonly (readonly [string, readonly string[]])[] = [
    ['worker/main.ts', []],
    ['worker/source/main.ts', []],
    ['worker/trainer/main.ts', []],
    ['operator/main.ts', control],
    ['gate/main.ts', control],
    ['coordinator/main.ts', control],
  ]
  for (const [program, without] of programs) {
    const said = runWithout(removed(without), `await import('./${program}')`)
    assert.match(said, /FEDSAM_|settings/, `${program} reads its environment: ${said}`)
    assert.ok(!said.includes('not in the image'), said)
  }
})

test('a package that is loaded would be missed', () => {
  const said = runWithout([join(root, 'node_modules/nopt')], "await import('./worker/tensorflow/warm.ts')")
  assert.match(said, /not in the image: .*nopt/)
})
