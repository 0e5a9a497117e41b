// `npm test`: makes the real parts that tests need (native TensorFlow, nats-server, versitygw, helm, a Kubernetes API server: built
// once, cached), then runs every test beside the sources and under test/ with node's own runner. Arguments choose files: npm test -- protocol/
import { spawn } from 'node:child_process'
import { glob } from 'node:fs/promises'
import { ensureBinary } from './binaries.ts'
import { ensureHelm } from './helm.ts'
import { ensureKubernetes } from './kubernetes/build.ts'
import { ensureTensorFlow } from './tensorflow/build.ts'

const FOLDERS = ['protocol', 'transport', 'coordinator', 'worker', 'operator', 'cli', 'scripts', 'test']

const log = (line: string): void => void process.stderr.write(`${line}\n`)

async function testFiles(prefixes: readonly string[]): Promise<string[]> {
  const files: string[] = []
  for await (const file of glob(FOLDERS.map((folder) => `${folder}/**/*.test.ts`))) files.push(file)
  const wanted =
    prefixes.length === 0 ? files : files.filter((file) => prefixes.some((prefix) => file.startsWith(prefix)))
  return wanted.sort()
}

const { built, reason } = await ensureTensorFlow({ log })
if (!built) {
  log(`native TensorFlow is needed for the tests and could not be built: ${reason}`)
  process.exit(1)
}
await ensureBinary('nats-server', { log })
await ensureBinary('versitygw', { log })
await ensureHelm({ log })
await ensureKubernetes({ log })
const files = await testFiles(process.argv.slice(2))
const runner = spawn(process.execPath, ['--test', '--test-concurrency=2', ...files], {
  stdio: 'inherit',
  env: { ...process.env, TF_CPP_MIN_LOG_LEVEL: '2' },
})
runner.once('exit', (code) => process.exit(code ?? 1))
