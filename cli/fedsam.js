#!/usr/bin/env node
// The executable, in JavaScript that Node 12 and later can parse, so that an old Node reports which version is needed. It keeps Node's
// compiled code in the user's cache folder: later starts are faster and take less memory. Child programs inherit that folder.

const NEEDED = [24, 12]

function isOld(version) {
  const [major, minor] = version.split('.').map(Number)
  return major < NEEDED[0] || (major === NEEDED[0] && minor < NEEDED[1])
}

function fail(message, remedy, code) {
  process.stderr.write(`fedsam: ${message}\n  ${remedy}\n`)
  process.exitCode = code
}

async function begin() {
  const { enableCompileCache } = await import('node:module')
  const { homedir } = await import('node:os')
  const { join } = await import('node:path')
  const { env } = process
  try {
    env.NODE_COMPILE_CACHE =
      env.NODE_COMPILE_CACHE || join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'fedsam', 'compiled')
    enableCompileCache(env.NODE_COMPILE_CACHE)
  } catch {
    // A user without a home folder has no cache.
  }
  const { start } = await import('./main.ts')
  await start()
}

if (isOld(process.versions.node)) {
  fail(
    `needs Node ${NEEDED.join('.')} or newer, and this is Node ${process.versions.node} (${process.execPath})`,
    'install Node 24; on Linux npm ci brings it with the package, and npx fedsam uses it',
    2,
  )
} else {
  begin().catch((error) => {
    fail(
      `its files cannot be loaded: ${String(error).split('\n')[0]}`,
      'install its packages again: npm ci',
      1,
    )
  })
}
