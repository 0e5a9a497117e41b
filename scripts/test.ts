// `npm test`: says what it will build and run and about how long that takes, builds the real parts that the chosen tests reach (native
// TensorFlow, nats-server, versitygw, Helm, Kubernetes, images; once, cached), then runs the tests with node's own runner: first all
// others, two files at a time (with --fast five) and the longest first, then the end-to-end layer, one file at a time.
// Arguments: scripts/test/arguments.ts. With CI=true a skipped test fails the run.
import { glob } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'
import { fileURLToPath } from 'node:url'
import { UsageError } from '#cli/commands/command.ts'
import { PRODUCT } from './folders.ts'
import { ensurePackages, whyNoNode } from './kubernetes/node/packages.ts'
import { chooseFiles, readTestArguments, USAGE } from './test/arguments.ts'
import { buildParts, PartFailed, requireWritable } from './test/build.ts'
import { fastFiles, partsOf } from './test/choice.ts'
import { compileCache } from './test/compiled.ts'
import { addDurations, cacheFolder, durationsFile, readDurations } from './test/durations.ts'
import { CONCURRENCY, FAST_CONCURRENCY, longestFirst } from './test/estimates.ts'
import { grouped, type PlanFacts, planLines, type ReducedSizes, reductionLines } from './test/plan.ts'
import { RunningFiles, watchSilence } from './test/progress.ts'
import { inOneReport, type TestEvent } from './test/report.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const FOLDERS = [...PRODUCT, 'scripts', 'test']
const END_TO_END = 'test/e2e/'
/** What --fast reduces, unless the environment says otherwise (ReducedSizes). A body stays below S3's limit of one request. */
const FAST_SIZES = {
  FEDSAM_FUZZ_CASES: '200',
  FEDSAM_LARGEST_BODY_MB: '128',
  FEDSAM_KILL_STEP: '29',
  FEDSAM_REPEATS: '1',
} as const
const isEndToEnd = (file: string): boolean => file.startsWith(END_TO_END)
const CI = process.env.CI === 'true'

const log = (line: string): void => void process.stderr.write(`${line}\n`)

async function allFiles(): Promise<string[]> {
  const files: string[] = []
  for await (const file of glob(FOLDERS.map((folder) => `${folder}/**/*.test.ts`))) files.push(file)
  return files.sort()
}

/** Why the end-to-end layer cannot run here; undefined where it can. In CI it must: what is missing is installed, or that fails. */
async function whyNotEndToEnd(): Promise<string | undefined> {
  if (!CI) return whyNoNode()
  await ensurePackages(log)
  return undefined
}

type Facts = Omit<PlanFacts, 'parts'>

/** The sizes that the environment sets. */
function sizesOf(env: NodeJS.ProcessEnv): Partial<ReducedSizes> {
  const set = Object.keys(FAST_SIZES).filter((name) => env[name] !== undefined)
  return Object.fromEntries(set.map((name) => [name, env[name]]))
}

/** What this command line runs here. Throws UsageError. */
async function choose(args: readonly string[]): Promise<Facts | undefined> {
  const { fast, help, beginnings } = readTestArguments(args, ROOT, process.env)
  if (help) return undefined
  const chosen = chooseFiles(await allFiles(), beginnings)
  const quick = fastFiles(ROOT, chosen)
  const files = fast ? quick : chosen
  const leftOut = chosen.filter((file) => !files.includes(file))
  if (files.length === 0)
    throw new UsageError(
      `--fast leaves out all that ${beginnings.join(' ')} chooses: those tests need Kubernetes, images or Flower; leave out --fast`,
    )
  const recorded = await readDurations(durationsFile())
  const why = files.some(isEndToEnd) ? await whyNotEndToEnd() : undefined
  return {
    files: longestFirst(
      files.filter((file) => !isEndToEnd(file)),
      recorded,
    ),
    concurrency: fast ? FAST_CONCURRENCY : CONCURRENCY,
    endToEnd: why === undefined ? files.filter(isEndToEnd) : [],
    whyNotEndToEnd: why,
    leftOut,
    reduced: fast ? { ...FAST_SIZES, ...sizesOf(process.env) } : undefined,
    recorded,
    cache: cacheFolder(),
    fast: quick.length > 0 && quick.length < files.length ? quick : undefined,
  }
}

/** Says the plan, and builds the parts that are missing. */
async function prepare(facts: Facts): Promise<void> {
  const parts = partsOf(ROOT, [...facts.files, ...facts.endToEnd])
  const cached = await Promise.all(parts.map((part) => part.isCached()))
  const planned = parts.map(({ name, minutes }, i) => ({ name, minutes, cached: cached[i]! }))
  for (const line of planLines({ ...facts, parts: planned })) log(line)
  if (cached.includes(false)) await requireWritable(facts.cache)
  const took = await buildParts(parts, log)
  await addDurations(durationsFile(), { parts: took, files: {} })
  process.env.NODE_COMPILE_CACHE = await compileCache()
}

function runTests({ files, concurrency, endToEnd, whyNotEndToEnd: why, leftOut, reduced }: Facts): void {
  Object.assign(process.env, reduced)
  process.env.TF_CPP_MIN_LOG_LEVEL = '2'
  // A file that runs longer than its timeout hangs: it is killed, and the others still run.
  const layers = [
    { files: [...files], concurrency, timeout: 15 * 60_000 },
    { files: [...endToEnd], concurrency: 1, timeout: 40 * 60_000 },
  ].filter((layer) => layer.files.length > 0)
  const remarks = [
    ...reductionLines(reduced).map((line) => `--fast: ${line}`),
    ...(leftOut.length > 0 ? [`not run (--fast): ${grouped(leftOut)}`] : []),
    ...(why === undefined ? [] : [`not run: ${END_TO_END}: ${why}`]),
  ]
  const report = inOneReport(
    layers.map((layer) => () => run(layer)),
    { remarks, failOnSkips: CI },
  )
  follow(report, [...files, ...endToEnd])
  report.compose(new spec()).pipe(process.stdout)
}

/** What the reporter prints at once. */
const PRINTED = new Set(['test:pass', 'test:fail', 'test:stdout', 'test:stderr'])

/** Records durations, breaks silences, and sets the exit code. */
function follow(report: Readable, files: readonly string[]): void {
  const running = new RunningFiles(files)
  const silence = watchSilence(() => log(running.line(performance.now())))
  report.on('data', ({ type, data }: TestEvent) => {
    running.note(type, data.name, performance.now())
    if (PRINTED.has(type)) silence.broken()
    if (type === 'test:summary' && !data.success) process.exitCode = 1
  })
  report.on('end', () => {
    silence.end()
    void addDurations(durationsFile(), { parts: {}, files: running.durations })
  })
}

try {
  const facts = await choose(process.argv.slice(2))
  if (facts === undefined) process.stdout.write(`${USAGE}\n`)
  else {
    await prepare(facts)
    runTests(facts)
  }
} catch (error) {
  if (!(error instanceof UsageError) && !(error instanceof PartFailed)) throw error
  log(`npm test: ${error.message}`)
  process.exitCode = error instanceof UsageError ? 2 : 1
}
