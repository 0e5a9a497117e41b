// `npm run cases -- FOLDER`: runs each case below FOLDER against this checkout and prints its verdict. A case is a folder with a
// script `run.sh CLONE` that prints PASS or FAIL and a reason. Exits with 0 if every case passed, otherwise with 1.
// Further arguments choose cases by the start of their name: npm run cases -- FOLDER 03 17
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The longest that one case may take, in milliseconds: some of them start a Kubernetes API server. */
const MOST_MS = 10 * 60_000
const CLONE = fileURLToPath(new URL('..', import.meta.url))

/** The line that the case prints as its verdict, and whether it passed. */
function runCase(script: string): Promise<{ passed: boolean; verdict: string }> {
  return new Promise((settle) => {
    execFile('bash', [script, CLONE], { timeout: MOST_MS, maxBuffer: 2 ** 26 }, (error, stdout) => {
      const said = stdout.split('\n').find((line) => /^(PASS|FAIL)\b/.test(line))
      const verdict = said ?? `FAIL it printed no verdict: ${error?.message ?? ''}`
      settle({ passed: error === null && verdict.startsWith('PASS'), verdict })
    })
  })
}

const [folder, ...prefixes] = process.argv.slice(2)
if (folder === undefined) {
  console.error('usage: npm run cases -- FOLDER [NAME…]')
  process.exit(2)
}
const names = (await readdir(folder))
  .filter((name) => existsSync(join(folder, name, 'run.sh')))
  .filter((name) => prefixes.length === 0 || prefixes.some((prefix) => name.startsWith(prefix)))
  .sort()
if (names.length === 0) {
  console.error(`there is no case in ${folder}: a case is a folder with a run.sh`)
  process.exit(2)
}
let failed = 0
for (const name of names) {
  const { passed, verdict } = await runCase(resolve(folder, name, 'run.sh'))
  if (!passed) failed += 1
  console.log(`${name.padEnd(36)} ${verdict}`)
}
console.log(`${names.length - failed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
