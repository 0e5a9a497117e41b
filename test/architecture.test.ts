// The architecture as it is drawn, held against the import lines: who may import whom, which folder owns which package, that the
// pure folders stay pure, and that every path in the docs exists.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { glob, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import {
  GATE,
  GATE_CONFIG,
  GATE_SEEDS,
  IMAGES,
  OPERATOR,
  PROGRAMS,
  TRAINER,
  type Variables,
} from '#protocol/environment.ts'
import { AROUND, PRODUCT } from '../scripts/folders.ts'
import { reachedFiles } from '../scripts/test/imports.ts'
import { bannedWords, MAY_HOLD_BANNED_WORDS } from './architecture/banned-words.ts'
import { codeOf, folderOf, importCycles, isOurs, isTest, sourceFiles } from './architecture/source-files.ts'

type Folder = (typeof PRODUCT)[number]

/** Which of our folders each folder may import. */
const MAY_IMPORT: Readonly<Record<Folder, readonly string[]>> = {
  protocol: [],
  runtime: ['protocol'],
  transport: ['protocol', 'runtime'],
  coordinator: ['protocol', 'runtime', 'transport'],
  worker: ['protocol', 'runtime', 'transport'],
  operator: ['protocol', 'runtime', 'transport'],
  gate: ['protocol', 'runtime', 'transport'],
  site: ['protocol', 'runtime', 'transport', 'worker'],
  cli: ['protocol', 'runtime', 'transport', 'coordinator', 'worker', 'operator', 'gate', 'site'],
}

/** Path prefixes that own an outside package; tests and scripts may use any. */
const OWNERS: Readonly<Record<string, readonly string[]>> = {
  valibot: ['protocol/', 'transport/', 'worker/', 'coordinator/', 'operator/', 'gate/', 'site/', 'cli/'],
  yaml: ['cli/', 'site/'],
  '@marcbachmann/cel-js': ['cli/'],
  nats: ['transport/bus/nats/'],
  '@nats-io/nats-core': ['transport/bus/websocket/'],
  undici: ['transport/bus/websocket/'],
  pino: ['operator/main.ts', 'gate/main.ts', 'coordinator/'],
  'prom-client': ['operator/metrics.ts', 'gate/metrics.ts', 'coordinator/'],
  '@aws-sdk/client-s3': ['transport/store/s3/'],
  '@aws-sdk/s3-request-presigner': ['transport/store/s3/'],
  '@kubernetes/client-node': ['operator/kubernetes/'],
  '@tensorflow/tfjs': ['worker/tensorflow/', 'worker/model/'],
  '@tensorflow/tfjs-core': ['worker/tensorflow/', 'worker/model/'],
  '@tensorflow/tfjs-backend-wasm': ['worker/tensorflow/'],
  '@tensorflow/tfjs-backend-cpu': ['worker/tensorflow/'],
  '@tensorflow/tfjs-node-gpu': ['worker/tensorflow/'],
  jose: ['gate/authenticators/'],
  sharp: ['worker/data/', 'cli/report/'],
  'fast-png': ['worker/data/', 'cli/report/'],
}

/** The trainer's side of the seam knows neither bus nor store; the network half's end of it may read its clock. */
const TRAINER_SIDE = /^worker\/(trainer|model|data|tensorflow)\//
const NETWORK_END = ['worker/trainer/process-trainer.ts', 'worker/trainer/process.ts']
/** A file of transport/ that reaches no network. */
const LAST_WORD = 'runtime/termination-message.ts'

/** Programs' entries and the command line alone choose implementations. The client of a kubeconfig serves both. */
const IMPLEMENTATIONS =
  /^transport\/(store\/[^/]+|bus\/[^/]+|hugging-face)\/|^transport\/(grants\/(transfers|http)|kubernetes\/(api|job|keys))\.ts/
const CHOOSES = /(^|\/)main\.ts$|^cli\/|^operator\/kubernetes\/client\/client\.ts$/

const product = await sourceFiles(PRODUCT)
const everything = [...product, ...(await sourceFiles(AROUND))]
const files = product.map(({ file }) => file)
const production = product.filter(({ file }) => !isTest(file)).flatMap(({ imports }) => imports)

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

/** The coordinator's folders: each may import only folders before it. `reporting` is imported by the program alone. */
const COORDINATOR_ORDER = [
  'strategies',
  'rounds',
  'settings',
  'aggregation',
  'record',
  'clients',
  'attempts',
  'start',
  'exchanges',
  'program',
  'run',
]

test("the coordinator's folders import one way", () => {
  const shelfOf = (path: string): string => path.split('/')[1]!
  const wrong = production.filter(({ file, target }) => {
    if (folderOf(file) !== 'coordinator' || folderOf(target) !== 'coordinator') return false
    const [from, to] = [shelfOf(file), shelfOf(target)]
    if (from.endsWith('.ts') || from === to) return false
    return to.endsWith('.ts') || !COORDINATOR_ORDER.slice(0, COORDINATOR_ORDER.indexOf(from)).includes(to)
  })
  assert.deepEqual(wrong, [])
})

/** The operator's folders: a file may import its own folder and folders before it. Each has a row in ARCHITECTURE.md. */
const OPERATOR_ORDER = [
  'operator/objects',
  'operator/reconcile/lifecycle',
  'operator/reconcile/pods',
  'operator/reconcile/problems',
  'operator/reconcile',
  'operator/kubernetes/client',
  'operator/kubernetes/cache',
  'operator/kubernetes/election',
  'operator/kubernetes/pass',
  'operator/kubernetes',
  'operator',
]

test("the operator's folders import one way", () => {
  const placeOf = (path: string): number => OPERATOR_ORDER.indexOf(dirname(path))
  const own = production.filter(({ file }) => folderOf(file) === 'operator')
  assert.deepEqual(
    own.filter(({ file }) => placeOf(file) < 0),
    [],
    'a folder without a place in the order',
  )
  const wrong = own.filter(
    ({ file, target }) => folderOf(target) === 'operator' && placeOf(target) > placeOf(file),
  )
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

/** Folders that hold decisions alone. A file elsewhere is pure where its head says "Pure" or "; pure". */
const PURE_FOLDERS = /^(protocol|coordinator\/(rounds|strategies)|operator\/reconcile)\//
const IMPURE =
  /\b(Date\.now|new Date\(\)|performance\.now|Math\.random|process\.|randomBytes|randomUUID|setTimeout|setInterval|fetch\()/
/** node:vm only bounds the time of a regular expression that a job brings. */
const PURE_PACKAGES = ['node:crypto', 'node:path', 'node:util', 'node:vm']

test('pure files, and what they import, read no clock, no randomness, no environment, no file', () => {
  const byName = new Map(everything.map((source) => [source.file, source]))
  const pure = new Set(
    everything
      .filter(
        ({ file, head }) => !isTest(file) && (PURE_FOLDERS.test(file) || /\bPure\b|[;:,] pure\b/.test(head)),
      )
      .map(({ file }) => file),
  )
  assert.ok(pure.size > 80)
  const wrong: string[] = []
  // A Set visits what is added while it is walked.
  for (const file of pure) {
    const { text, imports } = byName.get(file)!
    const reads = IMPURE.exec(codeOf(text))?.[0]
    if (reads !== undefined) wrong.push(`${file}: ${reads}`)
    for (const { target, typeOnly } of imports) {
      if (typeOnly) continue
      if (byName.has(target)) pure.add(target)
      else if (target.startsWith('node:') && !PURE_PACKAGES.includes(target)) wrong.push(`${file}: ${target}`)
    }
  }
  assert.deepEqual(wrong, [])
})

test('programs exit by exitProcess, which cannot hang', () => {
  const wrong = product.filter(
    ({ file, text }) =>
      !isTest(file) && file !== 'runtime/engine.ts' && /\bprocess\.(exit|reallyExit)\(/.test(codeOf(text)),
  )
  assert.deepEqual(
    wrong.map(({ file }) => file),
    [],
  )
})

test('no file imports itself by way of others, types included', () => {
  assert.deepEqual(importCycles(everything), [])
})

/** What people and pods start, and what they fetch or build before that. */
const ENTRIES = ['cli/fedsam.js', 'worker/tensorflow/warm.ts']
const isEntry = (file: string): boolean => /(^|\/)main\.ts$/.test(file) || ENTRIES.includes(file)

test('the product reaches no script, no test and no benchmark, by import or by path', () => {
  const reached = [...reachedFiles('.', [...files, ...ENTRIES].filter(isEntry))]
  assert.deepEqual(
    reached.filter((file) => (AROUND as readonly string[]).includes(folderOf(file))),
    [],
  )
})

test('what ships is reached from an entry: no fixture and no dead file in the package or an image', () => {
  const reached = reachedFiles('.', [...files, ...ENTRIES].filter(isEntry))
  assert.deepEqual(
    files.filter((file) => !isTest(file) && !reached.has(file)),
    [],
  )
})

/** What two programs agree on, and the one file that may write it. Tests may write it again: that checks the file. */
const CONTRACTS: readonly (readonly [RegExp, string])[] = [
  [/FEDSAM_/, 'protocol/environment.ts'],
  [/\bfedsam\.dev['"`/]|v1alpha1|apply-patch|fedsam-(operator|coordinator)/, 'protocol/api.ts'],
  [/app\.kubernetes\.io|queue-name/, 'protocol/labels.ts'],
  [/system:serviceaccount/, 'protocol/identity.ts'],
  [/\/(livez|readyz)\b/, 'protocol/pods.ts'],
]

test('what two programs agree on is written once', () => {
  const twice = product
    .filter(({ file }) => !isTest(file) && !file.startsWith('protocol/generated/'))
    .flatMap(({ file, text }) =>
      CONTRACTS.filter(([pattern, owner]) => file !== owner && pattern.test(codeOf(text))).map(
        ([pattern]) => `${file}: ${pattern}`,
      ),
    )
  assert.deepEqual(twice, [])
})

const namesOf = (...tables: readonly Variables[]): string[] =>
  tables.flatMap((table) => Object.values(table).map(({ name }) => name))

/** Which of our variables files in other languages may name. FEDSAM_PYTHON is one of scripts/, for developers. */
const OTHER_LANGUAGES: Readonly<Record<string, readonly string[]>> = {
  'charts/fedsam/templates/**/*': namesOf(IMAGES, OPERATOR, GATE, GATE_SEEDS, GATE_CONFIG),
  'charts/fedsam/files/quickstart.yaml': namesOf(TRAINER),
  'python/fedsam_client/**/*.py': namesOf(TRAINER),
  'docs/*.md': [...namesOf(...PROGRAMS.map(([, table]) => table)), 'FEDSAM_PYTHON'],
}

test('charts, Python and docs name only variables that exist', async () => {
  const unknown: string[] = []
  let found = 0
  for (const [pattern, known] of Object.entries(OTHER_LANGUAGES)) {
    for await (const file of glob(pattern)) {
      const text = await readFile(file, 'utf8').catch(() => '') // a folder
      const named = text.match(/\bFEDSAM_[A-Z0-9_]+\b/g) ?? []
      found += named.length
      unknown.push(...named.filter((name) => !known.includes(name)).map((name) => `${file}: ${name}`))
    }
  }
  assert.deepEqual(unknown, [])
  assert.ok(found > 50)
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
    const ofTheRecord = /^(rounds|exchanges|program|base|coordinators|output|examples\/models\/my)/
    const wrong = [...inCode, ...links].filter((path) => !ofTheRecord.test(path) && !existsSync(path))
    missing.push(...wrong.map((path) => `${page}: ${path}`))
  }
  assert.deepEqual(missing, [])
})

test('every command of the docs that runs tests names tests', async () => {
  const tests = everything.map(({ file }) => file).filter((file) => file.endsWith('.test.ts'))
  const wrong: string[] = []
  let found = 0
  for await (const page of glob(['*.md', 'docs/**/*.md'])) {
    const text = await readFile(page, 'utf8')
    for (const [, path] of text.matchAll(/`(?:npm test --|node --test) ([a-z][\w./-]*)`/g)) {
      found += 1
      if (!tests.some((file) => file.startsWith(path!))) wrong.push(`${page}: ${path}`)
    }
  }
  assert.deepEqual(wrong, [])
  assert.ok(found > 40)
})

/** Texts that people read: code, documents, schemas, charts, scripts. */
const TEXTS = [
  '*.{md,json}',
  'Dockerfile',
  `{${[...PRODUCT, ...AROUND, 'charts', 'crds', 'docs', 'examples', 'python'].join()}}/**/{*.{ts,js,mjs,py,md,yaml,sh,tpl,txt},Dockerfile}`,
]

test('no text has a banned word', async () => {
  const wrong: string[] = []
  let read = 0
  for await (const file of glob(TEXTS)) {
    if (file === 'package-lock.json' || MAY_HOLD_BANNED_WORDS.some((path) => path.test(file))) continue
    read += 1
    const found = bannedWords(await readFile(file, 'utf8'))
    wrong.push(...found.map(({ line, word, instead }) => `${file}:${line}: "${word}"; write: ${instead}`))
  }
  assert.deepEqual(wrong, [])
  assert.ok(read > 700)
})

test('the glossary is sorted, and has each word once', async () => {
  const rows = (await readFile('docs/glossary.md', 'utf8')).matchAll(/^\| ([^|-][^|]*?) \|/gm)
  const words = [...rows].map(([, word]) => word!.toLowerCase()).slice(1) // the first row is the head
  assert.ok(words.length > 100)
  assert.deepEqual(words, [...new Set(words)].sort())
})

test('each ADR has a number of its own, and the numbers have no gap', async () => {
  const numbers: string[] = []
  for await (const file of glob('docs/adr/*.md')) numbers.push(file.slice('docs/adr/'.length).split('-')[0]!)
  assert.deepEqual(
    numbers.sort(),
    numbers.map((_, index) => String(index + 1).padStart(4, '0')),
  )
})

test('no file is long without a reason', async () => {
  const long: string[] = []
  for (const file of files.filter((name) => !name.includes('/generated/'))) {
    const lines = (await readFile(file, 'utf8')).split('\n').length
    if (lines > 400) long.push(`${file}: ${lines}`)
  }
  assert.deepEqual(long, [])
})
