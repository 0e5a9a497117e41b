// Builds native TensorFlow for TensorFlow.js, without its installer: downloads the pinned library and compiles the addon once per
// user, into ~/.cache/fedsam/tensorflow, then links both into node_modules. Guarantees that a missing tool is a reason and not an
// exception, and that concurrent runs are safe: each builds in its own folder and renames it. backend.ts chooses the backend.
import { spawn } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { createReadStream, existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readlink, rename, rm, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { BUILD_NAME, HEADER_FOLDERS, LIBRARIES, WHEEL } from './pinned.ts'

/** Whether native TensorFlow is usable now, and one sentence with the reason. */
export interface TensorFlowBuild {
  readonly built: boolean
  readonly reason: string
}

type Log = (line: string) => void

/** The failure of a step, as a sentence for the user. */
class StepFailed extends Error {}

const ADDON = join('lib', 'napi-v8', 'tfjs_binding.node')
const resolvePackage = createRequire(import.meta.url).resolve

/** Whether the next call of ensureTensorFlow only links. */
export function hasTensorFlow(): boolean {
  return existsSync(join(buildFolder(), ADDON))
}

function buildFolder(): string {
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache')
  return join(cache, 'fedsam', 'tensorflow', BUILD_NAME)
}

/**
 * Prepares @tensorflow/tfjs-node-gpu for loading. A cold build downloads 230 MB and compiles for some ten seconds; a cached
 * build is only linked. A missing tool, network or platform is a reason in the result, not an exception.
 */
export async function ensureTensorFlow({ log }: { log: Log }): Promise<TensorFlowBuild> {
  const target = packageFolder('@tensorflow/tfjs-node-gpu')
  if (target === undefined) return { built: false, reason: '@tensorflow/tfjs-node-gpu is not installed.' }
  const build = buildFolder()
  try {
    const cached = hasTensorFlow()
    if (!cached) await buildInto(build, target, log)
    await linkInto(target, build)
    return {
      built: true,
      reason: `TensorFlow ${WHEEL.version} ${cached ? 'is cached' : 'was built'} in ${build}.`,
    }
  } catch (error) {
    if (error instanceof StepFailed) return { built: false, reason: error.message }
    return { built: false, reason: `Native TensorFlow could not be built: ${(error as Error).message}` }
  }
}

function packageFolder(name: string): string | undefined {
  try {
    return dirname(resolvePackage(`${name}/package.json`))
  } catch {
    return undefined
  }
}

async function buildInto(build: string, target: string, log: Log): Promise<void> {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    throw new StepFailed(`No TensorFlow library is pinned for ${process.platform} ${process.arch}.`)
  await need('python3', ['-m', 'pip', '--version'], 'python3 with pip')
  await need('g++', ['--version'], 'g++')
  await mkdir(dirname(build), { recursive: true })
  const scratch = await mkdtemp(`${build}.building-`)
  try {
    const wheel = await download(join(scratch, 'wheel'), log)
    log('unpacking the TensorFlow library')
    await unpack(wheel, scratch)
    await rm(dirname(wheel), { recursive: true })
    log('compiling the TensorFlow.js addon')
    await compile(target, scratch)
    await install(scratch, build)
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

async function need(command: string, args: string[], name: string): Promise<void> {
  await run(command, args, `${name} is not installed, so native TensorFlow cannot be built; install it`)
}

async function download(folder: string, log: Log): Promise<string> {
  const { package: name, version, megabytes, tag, sha256 } = WHEEL
  log(`downloading ${name} ${version} (${megabytes} MB, once)`)
  const started = performance.now()
  const ticking = setInterval(
    () => log(`still downloading after ${Math.round((performance.now() - started) / 1000)} s`),
    15_000,
  )
  const quiet = [
    '--quiet',
    '--no-deps',
    '--no-cache-dir',
    '--only-binary=:all:',
    '--disable-pip-version-check',
  ]
  try {
    const args = ['-m', 'pip', 'download', ...quiet, ...tag, '--dest', folder, `${name}==${version}`]
    await run('python3', args, `${name} ${version} could not be downloaded with pip`)
  } finally {
    clearInterval(ticking)
  }
  const file = (await readdir(folder)).find((entry) => entry.endsWith('.whl'))
  if (file === undefined) throw new StepFailed(`pip left no wheel of ${name} ${version}.`)
  const hash = createHash('sha256')
  await pipeline(createReadStream(join(folder, file)), hash)
  const found = hash.digest('hex')
  if (found !== sha256)
    throw new StepFailed(`The wheel ${file} has SHA-256 ${found} where ${sha256} is pinned; it was not used.`)
  return join(folder, file)
}

/** Unpacks the needed parts of the wheel: two libraries into deps/lib, headers into include/. */
async function unpack(wheel: string, folder: string): Promise<void> {
  const program = [
    'import sys, zipfile',
    'wheel, folder, prefixes = sys.argv[1], sys.argv[2], tuple(sys.argv[3:])',
    'with zipfile.ZipFile(wheel) as z: z.extractall(folder, [n for n in z.namelist() if n.startswith(prefixes)])',
  ].join('\n')
  const wanted = [...LIBRARIES.map((library) => library.member), ...HEADER_FOLDERS]
  await run('python3', ['-c', program, wheel, folder, ...wanted], 'The wheel could not be unpacked')
  const libraries = join(folder, 'deps', 'lib')
  await mkdir(libraries, { recursive: true })
  for (const { member, link } of LIBRARIES) {
    const soname = member.split('/').at(-1)!
    await rename(join(folder, member), join(libraries, soname))
    await symlink(soname, join(libraries, link))
    // The library's symbols take 190 MB. Without the tool `strip` the library works too, and takes more space.
    await run('strip', ['--strip-unneeded', join(libraries, soname)], 'strip failed').catch(() => undefined)
  }
}

async function compile(target: string, folder: string): Promise<void> {
  const headers = packageFolder('node-api-headers')
  if (headers === undefined) throw new StepFailed('node-api-headers is not installed.')
  const libraries = join(folder, 'deps', 'lib')
  const addon = join(folder, ADDON)
  await mkdir(dirname(addon), { recursive: true })
  const sources = ['tfjs_backend.cc', 'tfjs_binding.cc'].map((name) => join(target, 'binding', name))
  const includes = [join(headers, 'include'), join(folder, 'tensorflow', 'include'), target].map(
    (dir) => `-I${dir}`,
  )
  const flags = ['-std=c++17', '-O2', '-fPIC', '-shared', '-w', '-DNAPI_VERSION=8']
  const linking = [
    `-L${libraries}`,
    '-ltensorflow',
    '-ltensorflow_framework',
    '-Wl,-rpath,$ORIGIN/../../deps/lib',
  ]
  await run(
    'g++',
    [...flags, ...includes, ...sources, ...linking, '-o', addon],
    'The addon could not be compiled',
  )
  await rm(join(folder, 'tensorflow'), { recursive: true })
  const load = `process.dlopen({ exports: {} }, ${JSON.stringify(addon)})`
  await run(process.execPath, ['-e', load], 'The compiled addon cannot be loaded')
}

/** Another run may have finished first. Then its build stays, and the caller deletes this one. */
async function install(scratch: string, build: string): Promise<void> {
  try {
    await rename(scratch, build)
  } catch (error) {
    if (!existsSync(join(build, ADDON))) throw error
  }
}

async function linkInto(target: string, build: string): Promise<void> {
  await mkdir(dirname(join(target, ADDON)), { recursive: true })
  for (const part of [ADDON, 'deps']) await link(join(build, part), join(target, part))
}

/** Links `path` to `to`. It renames the link into place, so that another reader never finds the path absent. */
async function link(to: string, path: string): Promise<void> {
  if ((await readlink(path).catch(() => undefined)) === to) return
  const fresh = `${path}.${randomUUID()}`
  await symlink(to, fresh)
  await rename(fresh, path).catch(async () => {
    await rm(path, { recursive: true, force: true })
    await rename(fresh, path)
  })
}

/** Runs a command to its end. Throws StepFailed with `failure` and the last line of the command's error output. */
async function run(command: string, args: readonly string[], failure: string): Promise<void> {
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  let output = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output = (output + text).slice(-4000)
  })
  const code = await new Promise<number | null>((resolve) => {
    child.on('error', () => resolve(-1))
    child.on('close', resolve)
  })
  const lastLine = output.trim().split('\n').at(-1)
  if (code !== 0) throw new StepFailed(`${failure}${lastLine ? `: ${lastLine}` : ''}.`)
}

if (import.meta.main) {
  const build = await ensureTensorFlow({ log: (line) => console.log(line) })
  console.log(build.reason)
  process.exitCode = build.built ? 0 : 1
}
