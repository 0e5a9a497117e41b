import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'

const ENGINE = new URL('./engine.ts', import.meta.url).href

// V8 prints a line for each collection. Without the collection the exit hangs by chance only: `npm run bench -- exits`.
test('exitProcess collects the whole heap first, and exits with the code, with and without the flags of our programs', () => {
  for (const tune of ['', 'tuneEngine();']) {
    const program = `import { exitProcess, tuneEngine } from '${ENGINE}'; ${tune} console.log('last'); exitProcess(79)`
    const { status, stdout } = spawnSync(
      process.execPath,
      ['--trace-gc', '--input-type=module', '-e', program],
      {
        encoding: 'utf8',
      },
    )
    assert.equal(status, 79)
    assert.match(stdout.slice(stdout.indexOf('last')), /^last\n.*Mark-Compact/s)
  }
})
