// `npm test`: makes the real parts that tests need (native TensorFlow, nats-server, versitygw, helm, a Kubernetes API server: built
// once, cached), then runs every test beside the sources and under test/ with node's own runner: first all others, two files at a time,
// then the end-to-end layer, one at a time. Arguments choose files: npm test -- protocol/
import { glob } from 'node:fs/promises'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'
import { ensureBinary } from './binaries.ts'
import { ensureHelm, HELM_LINES } from './helm.ts'
import { ensureKubernetes } from './kubernetes/build.ts'
import { ensurePackages, whyNoNode } from './kubernetes/node/packages.ts'
import { ensureTensorFlow } from './tensorflow/build.ts'
import { inOneReport } from './test/report.ts'

const FOLDERS = ['protocol', 'transport', 'coordinator', 'worker', 'operator', 'cli', 'scripts', 'test']
const END_TO_END = 'test/e2e/'

const log = (line: string): void => void process.stderr.write(`${line}\n`)

async function testFiles(prefixes: readonly string[]): Promise<string[]> {
  const files: string[] = []
  for await (const file of glob(FOLDERS.map((folder) => `${folder}/**/*.test.ts`))) files.push(file)
  const wanted =
    prefixes.length === 0 ? files : files.filter((file) => prefixes.some((prefix) => file.startsWith(prefix)))
  return wanted.sort()
}

async function makeParts(): Promise<void> {
  const { built, reason } = await ensureTensorFlow({ log })
  if (!built) {
    log(`native TensorFlow is needed for the tests and could not be built: ${reason}`)
    process.exit(1)
  }
  await ensureBinary('nats-server', { log })
  await ensureBinary('versitygw', { log })
  for (const line of HELM_LINES) await ensureHelm(line, { log })
  await ensureKubernetes({ log })
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
await makeParts()

process.env.TF_CPP_MIN_LOG_LEVEL = '2'
// A file that takes so long hangs: it is ended, and the others still run.
const layers = [
  { files: others, concurrency: 2, timeout: 15 * 60_000 },
  { files: why === undefined ? endToEnd : [], concurrency: 1, timeout: 40 * 60_000 },
].filter((layer) => layer.files.length > 0)
const remarks = why === undefined ? [] : [`not run: ${END_TO_END}: ${why}`]
const report = inOneReport(
  layers.map((layer) => () => run(layer)),
  remarks,
)
report.compose(new spec()).pipe(process.stdout)
report.on('data', ({ type, data }) => {
  if (type === 'test:summary' && !data.success) process.exitCode = 1
})
