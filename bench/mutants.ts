// `npm run bench -- mutants [ID…]`: breaks one line of the product at a time and runs the tests that should notice. A mutant is
// killed if one of its tests fails. The lists are in bench/mutants/; each entry names its tests, so that a run takes minutes.
// Works on copies of the tree in the temporary folder; this checkout is only read.
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Figure, Row } from './figure.ts'
import { CLIENT_STATES } from './mutants/client-states.ts'
import { FRESH } from './mutants/fresh.ts'
import { applyMutant, type Mutant } from './mutants/mutant.ts'
import { SURVIVORS } from './mutants/survivors.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
/** Mutants that run at the same time, each in a copy of its own. */
const CONCURRENCY = 2
/** The longest that the tests of one mutant may take, in milliseconds. A mutant that makes a test hang is killed. */
const MOST_MS = 5 * 60_000

type Verdict = 'killed' | 'survived' | 'broken'

export const mutants: Figure = {
  name: 'mutants',
  onlyIfNamed: true,
  async run(ids) {
    const chosen = (mutants: readonly Mutant[]): Mutant[] =>
      mutants.filter(({ id }) => ids.length === 0 || ids.includes(id))
    const groups = [
      { what: 'mutants that once survived', mutants: chosen(SURVIVORS), mostSurvivors: 0 },
      { what: 'mutants of client states', mutants: chosen(CLIENT_STATES), mostSurvivors: 0 },
      { what: 'further mutants', mutants: chosen(FRESH), mostSurvivors: 3 },
    ].filter(({ mutants }) => mutants.length > 0)
    const folder = await mkdtemp(join(tmpdir(), 'fedsam-mutants-'))
    try {
      const verdicts = await tryAll(
        folder,
        groups.flatMap(({ mutants }) => mutants),
      )
      return groups.map(({ what, mutants, mostSurvivors }) => row(what, mutants, mostSurvivors, verdicts))
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  },
}

function row(
  what: string,
  mutants: readonly Mutant[],
  mostSurvivors: number,
  verdicts: ReadonlyMap<string, Verdict>,
): Row {
  const killed = mutants.filter(({ id }) => verdicts.get(id) === 'killed').length
  const others = mutants.filter(({ id }) => verdicts.get(id) !== 'killed')
  return {
    what,
    value: `${killed} killed`,
    against: `of ${mutants.length}; at most ${mostSurvivors} may survive; not killed: ${others.map(({ id }) => id).join(' ') || 'none'}`,
    met: others.length <= mostSurvivors,
  }
}

async function tryAll(folder: string, mutants: readonly Mutant[]): Promise<Map<string, Verdict>> {
  const verdicts = new Map<string, Verdict>()
  const waiting = [...mutants]
  const workers = Array.from({ length: CONCURRENCY }, async (_, i) => {
    const copy = join(folder, String(i))
    await copyTree(copy)
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const verdict = await tryOne(copy, next)
      verdicts.set(next.id, verdict)
      console.error(`${next.id.padEnd(5)} ${verdict.padEnd(9)} ${next.file}: ${next.what}`)
    }
  })
  await Promise.all(workers)
  return verdicts
}

/** `broken`: the entry does not fit the code any more, or its tests fail without the mutant too. */
async function tryOne(copy: string, mutant: Mutant): Promise<Verdict> {
  const file = join(copy, mutant.file)
  const original = await readFile(file, 'utf8')
  const mutated = applyMutant(original, mutant)
  if (mutated === undefined) return 'broken'
  await writeFile(file, mutated)
  const passed = await testsPass(copy, mutant.tests)
  await writeFile(file, original)
  if (passed) return 'survived'
  return (await testsPass(copy, mutant.tests)) ? 'killed' : 'broken'
}

async function testsPass(copy: string, tests: readonly string[]): Promise<boolean> {
  // In a process group of its own, so that servers and trainers that the tests started end with it.
  const child = spawn(process.execPath, ['--test', ...tests], { cwd: copy, stdio: 'ignore', detached: true })
  const timer = setTimeout(() => endGroup(child.pid), MOST_MS)
  const [code] = await once(child, 'exit')
  clearTimeout(timer)
  endGroup(child.pid)
  return code === 0
}

function endGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL')
  } catch {
    // No process of the group is left.
  }
}

/** The tracked files of this checkout as they are now, and its node_modules by a link. */
async function copyTree(copy: string): Promise<void> {
  const { stdout } = await promisify(execFile)('git', ['ls-files', '-z'], { cwd: ROOT, maxBuffer: 2 ** 26 })
  for (const file of stdout.split('\0').filter(Boolean)) {
    await mkdir(dirname(join(copy, file)), { recursive: true })
    await cp(join(ROOT, file), join(copy, file), { force: true })
  }
  await symlink(join(ROOT, 'node_modules'), join(copy, 'node_modules'))
}
