// The package as others get it: packed, installed into an empty folder, and its command started there.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { pack } from '../scripts/pack.ts'
import { ROOT, toyJob } from './cli/fedsam.ts'

const run = promisify(execFile)

/**
 * Puts hard links of this checkout's packages into the folder. npm then removes those that the package does not ask for and adds only
 * those that are missing, which costs a sixth of writing all of them. Where links cannot be made, npm installs everything.
 */
async function linkPackages(home: string): Promise<void> {
  const packages = join(home, 'node_modules')
  try {
    await run('cp', ['-al', await realpath(join(ROOT, 'node_modules')), packages])
    // npm writes this file in place; the checkout's own must not change.
    await rm(join(packages, '.package-lock.json'), { force: true })
  } catch {
    await rm(packages, { recursive: true, force: true })
  }
}

test('npm pack, npm install, fedsam', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'fedsam-package-'))
  try {
    const archive = await pack(dir)
    const home = join(dir, 'home')
    await mkdir(home)
    await writeFile(join(home, 'package.json'), '{"private": true}')
    await linkPackages(home)
    const flags = ['--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund']
    await run('npm', ['install', ...flags, archive], { cwd: home })
    const fedsam = join(home, 'node_modules/fedsam/cli/fedsam.js')
    // Each run of this test has paths of its own: what Node compiles of them is of no use to the next one.
    const env = { ...process.env, NODE_COMPILE_CACHE: join(dir, 'compiled') }
    const help = await run(process.execPath, [fedsam, '--help'], { cwd: home, env })
    assert.match(help.stdout, /fedsam run JOB\.yaml/)
    // kubectl finds a plugin by its name in PATH.
    const plugin = await run(join(home, 'node_modules/.bin/kubectl-fedsam'), ['status', '--help'], { env })
    assert.match(plugin.stdout, /^usage: kubectl fedsam status NAME/)
    const nowhere = { ...env, KUBECONFIG: join(home, 'nowhere') }
    const asked = run(process.execPath, [fedsam, 'status', 'toy'], { cwd: home, env: nowhere })
    await assert.rejects(asked, { code: 2, stderr: /nowhere, and no such file exists/ })
    await writeFile(join(home, 'toy.yaml'), toyJob(1))
    const ran = await run(process.execPath, [fedsam, 'run', 'toy.yaml'], { cwd: home, env })
    assert.match(ran.stdout, /complete after 1 round:/)
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
})
