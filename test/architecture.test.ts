// The architecture as it is drawn, held against the import lines: who may import whom, which folder owns which package, that the
// pure folders stay pure, and that every path in the docs exists.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { glob, readFile } from 'node:fs/promises'
import { dirname, join, normalize } from 'node:path'
import { test } from 'node:test'

const FOLDERS = ['protocol', 'runtime', 'transport', 'coordinator', 'worker', 'operator', 'cli'] as const
type Folder = (typeof FOLDERS)[number]

/** Which of our folders each folder may import. */
const MAY_IMPORT: Readonly<Record<Folder, readonly string[]>> = {
  protocol: [],
  runtime: ['protocol'],
  transport: ['protocol', 'runtime'],
  coordinator: ['protocol', 'runtime', 'transport'],
  worker: ['protocol', 'runtime', 'transport'],
  operator: ['protocol', 'runtime', 'transport'],
  cli: ['protocol', 'runtime', 'transport', 'coordinator', 'worker', 'operator'],
}

/** Path prefixes that own an outside package; tests and scripts may use any. */
const OWNERS: Readonly<Record<string, readonly string[]>> = {
  valibot: ['protocol/', 'transport/', 'worker/', 'coordinator/', 'operator/', 'cli/'],
  yaml: ['cli/'],
  '@marcbachmann/cel-js': ['cli/'],
  nats: ['transport/bus/nats/'],
  pino: ['operator/main.ts', 'coordinator/'],
  'prom-client': ['operator/metrics.ts', 'coordinator/'],
  '@aws-sdk/client-s3': ['transport/store/s3/'],
  '@aws-sdk/s3-request-presigner': ['transport/store/s3/'],
  '@kubernetes/client-node': ['operator/kubernetes/'],
  '@tensorflow/tfjs': ['worker/tensorflow/', 'worker/model/'],
  '@tensorflow/tfjs-core': ['worker/tensorflow/', 'worker/model/'],
  '@tensorflow/tfjs-backend-wasm': ['worker/tensorflow/'],
  '@tensorflow/tfjs-backend-cpu': ['worker/tensorflow/'],
  '@tensorflow/tfjs-node-gpu': ['worker/tensorflow/'],
  jose: ['coordinator/clients/identity'],
  sharp: ['worker/data/', 'cli/report/'],
  'fast-png': ['worker/data/', 'cli/report/'],
}

/** The trainer's side of the seam knows neither bus nor store; the network half's end of it may read its clock. */
const TRAINER_SIDE = /^worker\/(trainer|model|data|tensorflow)\//
const NETWORK_END = ['worker/trainer/child.ts', 'worker/trainer/process.ts']
/** A file of transport/ that reaches no network. */
const LAST_WORD = 'runtime/termination.ts'

/** Implementations are chosen by programs' entries and the command line alone. */
const IMPLEMENTATIONS = /^transport\/(store\/(s3|filesystem|memory)|bus\/(nats|in-process))\//
const CHOOSES = /(^|\/)main\.ts$|^cli\//

interface Import {
  readonly file: string
  /** A file of ours relative to the root, a package name, or node:… */
  readonly target: string
  readonly typeOnly: boolean
}

async function sources(): Promise<string[]> {
  const files: string[] = []
  for await (const file of glob(FOLDERS.map((folder) => `${folder}/**/*.ts`))) files.push(file)
  return files.sort()
}

const isTest = (file: string): boolean => file.endsWith('.test.ts')

function importsOf(file: string, text: string): Import[] {
  const found: Import[] = []
  const statement = /^(?:import|export)\s+(type\s+)?(?:[^'"`;]*?\sfrom\s+)?'([^']+)'/gm
  for (const [, typeOnly, specifier] of text.matchAll(statement)) {
    found.push({ file, target: resolve(file, specifier!), typeOnly: typeOnly !== undefined })
  }
  for (const [, specifier] of text.matchAll(/\b(?:import|require)\('([^']+)'\)/g)) {
    found.push({ file, target: resolve(file, specifier!), typeOnly: false })
  }
  return found
}

function resolve(file: string, specifier: string): string {
  if (specifier.startsWith('#')) return specifier.slice(1)
  if (specifier.startsWith('.')) return normalize(join(dirname(file), specifier))
  if (specifier.startsWith('node:')) return specifier
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
}

const files = await sources()
const imports = (
  await Promise.all(files.map(async (file) => importsOf(file, await readFile(file, 'utf8'))))
).flat()
const production = imports.filter(({ file }) => !isTest(file))
const folderOf = (path: string): string => path.split('/')[0]!
const isOurs = (target: string): boolean => /^[a-z]+\/.*\.ts$/.test(target)

test('there is something to check', () => {
  assert.ok(files.length > 100)
  assert.ok(production.some(({ target }) => target === 'valibot'))
})

test('folders import only what the table allows', () => {
  const wrong = production.filter(({ file, target }) => {
    const [from, to] = [folderOf(file) as Folder, folderOf(target)]
    return isOurs(target) && from !== to && !MAY_IMPORT[from].includes(to)
  })
  assert.deepEqual(wrong, [])
})

test("the trainer's side of the seam reaches no network", () => {
  const wrong = production.filter(({ file, target }) => {
    if (!TRAINER_SIDE.test(file) || NETWORK_END.includes(file) || !isOurs(target)) return false
    if (target === LAST_WORD) return false
    return folderOf(target) === 'transport' || (folderOf(target) === 'worker' && !TRAINER_SIDE.test(target))
  })
  assert.deepEqual(wrong, [])
})

test('only entries and the command line choose implementations', () => {
  const wrong = production.filter(
    ({ file, target, typeOnly }) =>
      !typeOnly && folderOf(file) !== 'transport' && IMPLEMENTATIONS.test(target) && !CHOOSES.test(file),
  )
  assert.deepEqual(wrong, [])
})

test('every outside package has its owner', () => {
  const wrong = production.filter(({ file, target }) => {
    if (isOurs(target) || target.startsWith('node:')) return false
    return !(OWNERS[target] ?? []).some((owner) => file.startsWith(owner))
  })
  assert.deepEqual(wrong, [])
})

test('protocol is pure: of Node it uses cryptography alone', () => {
  const wrong = production.filter(
    ({ file, target }) =>
      folderOf(file) === 'protocol' && target.startsWith('node:') && target !== 'node:crypto',
  )
  assert.deepEqual(wrong, [])
})

test('decisions read no clock, no randomness, no environment', async () => {
  const pure = files.filter(
    (file) => /^(protocol|coordinator\/(rounds|strategies))\//.test(file) && !isTest(file),
  )
  const impure = /\b(Date\.now|new Date|performance\.now|Math\.random|process\.|randomBytes|fetch\()/
  const wrong: string[] = []
  for (const file of pure) if (impure.test(await readFile(file, 'utf8'))) wrong.push(file)
  assert.deepEqual(wrong, [])
})

test('every path in the docs exists', async () => {
  const missing: string[] = []
  for await (const page of glob(['*.md', 'docs/**/*.md', 'scripts/**/*.md'])) {
    const text = await readFile(page, 'utf8')
    const inCode = [...text.matchAll(/`([a-z][\w-]*(?:\/[\w.-]+)+\.(?:ts|py|md|yaml|json))`/g)].map(
      ([, path]) => path!,
    )
    const linked = /\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)|\bsrc(?:set)?="([^"]+)"/g
    const links = [...text.matchAll(linked)].map(([, link, picture]) => join(dirname(page), link ?? picture!))
    const ofTheRecord = /^(rounds|base|coordinators|output|examples\/models\/my)/
    const wrong = [...inCode, ...links].filter((path) => !ofTheRecord.test(path) && !existsSync(path))
    missing.push(...wrong.map((path) => `${page}: ${path}`))
  }
  assert.deepEqual(missing, [])
})

test('no file is long without a reason', async () => {
  const long: string[] = []
  for (const file of files.filter((name) => !name.includes('/generated/'))) {
    const lines = (await readFile(file, 'utf8')).split('\n').length
    if (lines > 400) long.push(`${file}: ${lines}`)
  }
  assert.deepEqual(long, [])
})
