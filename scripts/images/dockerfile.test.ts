// Which stages and files an image is made of, as the Dockerfile says it.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { TEST_PACKAGES } from '../python.ts'
import { digestOf, inputsOf, ROOT, readDockerfile, stagesOf } from './dockerfile.ts'

const TEXT = `# A comment.
ARG BASE=x
FROM \${BASE} AS packages
COPY package.json lock ./
RUN one && \\
    two
FROM packages AS tools
COPY scripts scripts
FROM \${BASE} AS other
COPY other other
FROM \${BASE} AS app
COPY --from=tools /app /app
COPY app app
# Another comment.
FROM other AS aside
COPY aside aside
`

test('an image is made of its stage, those that it copies from, and what these build on', () => {
  const { inputs, text, copiedFrom } = inputsOf(stagesOf(TEXT), 'app')
  assert.deepEqual(inputs, ['app', 'lock', 'package.json', 'scripts'])
  assert.deepEqual(copiedFrom, ['tools'])
  assert.match(text, /^ARG BASE=x\n[\s\S]*RUN one && +two\n/)
  assert.doesNotMatch(text, /other|aside|comment/)
})

test('a stage that builds on another has the files of both', () => {
  assert.deepEqual(inputsOf(stagesOf(TEXT), 'aside').inputs, ['aside', 'other'])
})

test('an unknown target is named', () => {
  assert.throws(() => inputsOf(stagesOf(TEXT), 'apps'), /no target apps/)
})

test('images of this Dockerfile have their own sources and no others', async () => {
  const stages = await readDockerfile()
  const of = (target: string): readonly string[] => inputsOf(stages, target).inputs
  const folders = (target: string): string[] =>
    of(target).filter((name) => ['operator', 'coordinator', 'worker', 'site', 'cli'].includes(name))
  assert.deepEqual(folders('operator'), ['operator'])
  assert.deepEqual(folders('coordinator'), ['coordinator'])
  assert.deepEqual(folders('worker'), ['worker'])
  for (const target of ['site', 'site-gpu']) assert.deepEqual(folders(target), ['cli', 'site', 'worker'])
  for (const target of ['operator', 'coordinator', 'worker', 'worker-gpu', 'site', 'site-gpu'])
    for (const name of ['package-lock.json', 'protocol', 'runtime', 'transport'])
      assert.ok(of(target).includes(name))
})

test('the image of the numpy example holds the package, the client and the numpy of the tests, nothing else', async () => {
  const stages = await readDockerfile('examples/flower-numpy/Dockerfile')
  const { inputs, text, copiedFrom } = inputsOf(stages, 'flower-numpy')
  const outside = inputs.filter((name) => !/^(python|examples\/flower-numpy)\//.test(name))
  assert.deepEqual(outside, [])
  assert.deepEqual(copiedFrom, ['python-packages'])
  const installed = /numpy==\S+/.exec(text)?.[0]
  assert.ok(
    TEST_PACKAGES.some((one) => one.startsWith(`${installed};`)),
    installed,
  )
})

test('the digest is that of the files and of what is given with them', async () => {
  const digest = await digestOf(['LICENSE', 'crds'], ['a'])
  assert.equal(await digestOf(['LICENSE', 'crds'], ['a']), digest)
  assert.notEqual(await digestOf(['LICENSE', 'crds'], ['b']), digest)
  assert.notEqual(await digestOf(['LICENSE'], ['a']), digest)
})

test('the base image of every Dockerfile is pinned by the same digest', async () => {
  const files = ['Dockerfile', 'examples/flower-numpy/Dockerfile']
  const bases = await Promise.all(
    files.map(async (file) => /^ARG BASE_IMAGE=(.*)$/m.exec(await readFile(join(ROOT, file), 'utf8'))?.[1]),
  )
  assert.match(bases[0]!, /^docker\.io\/library\/debian:bookworm-slim@sha256:[0-9a-f]{64}$/)
  assert.equal(bases[1], bases[0])
})
