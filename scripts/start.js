// Starts a script of this folder: node scripts/start.js test.ts ARGUMENTS. It is JavaScript that Node 14 and later can read, so that
// an old Node and missing packages end in two lines that say what to do, and not in an error about the extension .ts.

async function start() {
  const { readFileSync } = await import('node:fs')
  const [needed, version] = [
    neededBy(readFileSync(new URL('../package.json', import.meta.url), 'utf8')),
    process.versions.node,
  ]
  if (isOlder(version, needed))
    return fail(
      `this is Node ${version} (${process.execPath}), and Node ${needed} or newer is needed`,
      'run npm ci, which brings Node 24 on Linux; elsewhere install Node 24 (https://nodejs.org)',
    )
  const [, , script] = process.argv
  process.argv.splice(1, 2, script)
  try {
    await import(`./${script}`)
  } catch (error) {
    if (error.code !== 'ERR_MODULE_NOT_FOUND' || !/package/.test(error.message)) throw error
    fail(error.message.split('\n')[0], 'install the packages: npm ci')
  }
}

function neededBy(text) {
  return JSON.parse(text).engines.node.replace('>=', '')
}

function isOlder(version, needed) {
  const [major, minor] = version.split('.').map(Number)
  const [least, leastMinor] = needed.split('.').map(Number)
  return major < least || (major === least && minor < leastMinor)
}

function fail(message, remedy) {
  process.stderr.write(`${message}\n  ${remedy}\n`)
  process.exitCode = 1
}

start()
