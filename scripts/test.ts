// `npm test`: builds the real parts that the chosen tests reach (native TensorFlow, nats-server, versitygw, Helm, Kubernetes; once,
// cached), then runs the tests with node's own runner: first all others, two files at a time, then the end-to-end layer, one
// file at a time. Arguments choose files by the start of their path: npm test -- protocol/
// With CI=true a skipped test fails the run.
import { glob } from 'node:fs/promises'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'
import { fileURLToPath } from 'node:url'
import { ensurePackages, whyNoNode } from './kubernetes/node/packages.ts'
import { reachedFiles } from './test/imports.ts'
import { neededParts } from './test/parts.ts'
import { inOneReport } from './test/report.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const FOLDERS = [
  'protocol',
  'runtime',
  'transport',
  'coordinator',
  'worker',
  'operator',
  'cli',
  'scripts',
  'test',
]
const END_TO_END = 'test/e2e/'

const log = (line: string): void => void process.stderr.write(`${line}\n`)

async function testFiles(prefixes: readonly string[]): Promise<string[]> {
  const files: string[] = []
  for await (const file of glob(FOLDERS.map((folder) => `${folder}/**/*.test.ts`))) files.push(file)
  const wanted =
    prefixes.length === 0 ? files : files.filter((file) => prefixes.some((prefix) => file.startsWith(prefix)))
  return wanted.sort()
}

async function buildParts(chosen: readonly string[]): Promise<void> {
  for (const { name, build } of neededParts(reachedFiles(ROOT, chosen))) {
    await build(log).catch((error: Error) => {
      log(`the tests need ${name}, which could not be built: ${error.message}`)
      process.exit(1)
    })
  }
}

/** Why the end-to-end layer cannot run here; undefined where it can. In CI it must: what is missing is installed, or that fails. */
async function whyNotEndToEnd(): Promise<string | undefined> {
  if (process.env.CI !== 'true') return whyNoNode()
  await ensurePackages(log)
  return undefined
}

const files = await testFiles(process.argv.slice(2))
if (files.length === 0) {
  log('no test file has a path that begins so')
  process.exit(1)
}
const endToEnd = files.filter((file) => file.startsWith(END_TO_END))
const others = files.filter((file) => !file.startsWith(END_TO_END))
const why = endToEnd.length > 0 ? await whyNotEndToEnd() : undefined
if (why !== undefined) log(`the end-to-end layer does not run: ${why}`)
await buildParts(why === undefined ? files : others)

process.env.TF_CPP_MIN_LOG_LEVEL = '2'
// A file that takes so long hangs: it is ended, and the others still run.
const layers = [
  { files: others, concurrency: 2, timeout: 15 * 60_000 },
  { files: why === undefined ? endToEnd : [], concurrency: 1, timeout: 40 * 60_000 },
].filter((layer) => layer.files.length > 0)
const remarks = why === undefined ? [] : [`not run: ${END_TO_END}: ${why}`]
const report = inOneReport(
  layers.map((layer) => () => run(layer)),
  { remarks, failOnSkips: process.env.CI === 'true' },
)
report.compose(new spec()).pipe(process.stdout)
report.on('data', ({ type, data }) => {
  if (type === 'test:summary' && !data.success) process.exitCode = 1
})
