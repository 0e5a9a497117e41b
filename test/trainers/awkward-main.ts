// A program on the trainer seam that behaves as its argument says: node awkward-main.ts BEHAVIOUR [FILE]
// FILE counts its starts: some behaviours are those of the first life only.
import { spawn } from 'node:child_process'
import { appendFileSync, existsSync, readFileSync, statSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'

const [behaviour, file = '/dev/null'] = process.argv.slice(2)
const say = (line: object | string): void => {
  process.stdout.write(`${typeof line === 'string' ? line : JSON.stringify(line)}\n`)
}

appendFileSync(file, 'started\n')
const lives = readFileSync(file, 'utf8').trim().split('\n').length

if (behaviour === 'leaves-a-child') {
  spawn('sh', ['-c', `echo $$ >'${file}.child'; while :; do sleep 1; done`], { stdio: 'inherit' })
}
if (behaviour === 'stays' || behaviour === 'stays-deaf') {
  setInterval(() => {}, 1000)
  process.on('SIGTERM', () => {
    console.error('asked to end')
    if (behaviour === 'stays') process.exit(0)
  })
}
if (behaviour === 'cannot-start') {
  say({ type: 'error', code: 'BadData', message: 'there is no picture', remedy: 'put one there' })
  process.exit(1)
}
/** It computes until this file exists. */
const enough = `${file}.enough`
const BUSY = `while ! [ -e '${enough}' ]; do :; done`

/** Computes in the place that the behaviour names, until the test has seen enough. Only there it uses a processor. */
async function compute(place: string): Promise<void> {
  const spin = `const { existsSync } = require('node:fs'); while (!existsSync(${JSON.stringify(enough)}));`
  if (place === 'constructor' || place === 'itself') {
    while (!existsSync(enough));
    return
  }
  if (place === 'thread') new Worker(spin, { eval: true })
  if (place === 'child') spawn('sh', ['-c', BUSY])
  if (place === 'grandchild') spawn('sh', ['-c', `sh -c '${BUSY}'; true`])
  // Its parent ends at once, so another process becomes its parent; `detached` gives it a session of its own.
  if (place === 'orphan')
    spawn('sh', ['-c', `sh -c 'echo $$ >"${file}.orphan"; ${BUSY}' &`], { detached: true })
  // Seldom: the checks of a waiting process must not count as progress.
  while (!existsSync(enough)) await sleep(100)
}

/** Writes a line without an end until nobody reads it. */
function endlessLine(): void {
  const piece = 'x'.repeat(65_536)
  const go = (): void => {
    while (process.stdout.write(piece));
    process.stdout.once('drain', go)
  }
  process.stdout.on('error', () => process.exit(1))
  go()
}

if (behaviour === 'computes-in-constructor') await compute('constructor')
if (behaviour === 'endless-line-before-ready' && lives === 1) endlessLine()
else if (behaviour !== 'never-ready') {
  say('loading weights')
  console.error('a warning')
  say({ type: 'ready', dataset: 'd', backend: 'b' })
}

const fitted = { type: 'fitted', num_examples: 3, metrics: { train_loss: 0.5 } }
for await (const text of createInterface({ input: process.stdin })) {
  const { id, call } = JSON.parse(text) as { id: number; call: string }
  if (call === 'evaluate') say({ type: 'evaluated', id, loss: 0.25, num_examples: 2, metrics: { dice: 0.5 } })
  else if (behaviour === 'crashes-once' && lives === 1) process.exit(3)
  else if (behaviour === 'endless-line-in-a-call' && lives === 1) endlessLine()
  else if (behaviour === 'endless-log') {
    process.stderr.write('x'.repeat(2 ** 20), () => say({ ...fitted, id }))
  } else if (behaviour === 'crashes-with-words') {
    console.error('Traceback (most recent call last):\nValueError: no such thing\n')
    process.exit(1)
  } else if (behaviour?.startsWith('computes-in-') && behaviour !== 'computes-in-constructor') {
    void compute(behaviour.slice('computes-in-'.length)).then(() => say({ ...fitted, id }))
  } else if (behaviour === 'prints') {
    say('{"epoch": 1}')
    say('{ not json')
    say({ type: 'progress', done: 1, total: 4, message: 'step' })
    // The answer ends the progress, so it waits until the test has seen that.
    const look = setInterval(() => {
      if (!existsSync(`${file}.seen`)) return
      clearInterval(look)
      say({ ...fitted, id })
    }, 5)
  } else if (behaviour === 'not-finite')
    say(`{"type": "fitted", "id": ${id}, "num_examples": 3, "metrics": {"loss": NaN}}`)
  else if (behaviour === 'fails') say({ type: 'error', id, code: 'TrainerFailed', message: 'no memory left' })
  else if (behaviour === 'answers-late') {
    say({ ...fitted, id: id - 1, num_examples: 99 })
    say({ ...fitted, id })
  } else if (behaviour === 'hangs-once' && lives === 1) {
    appendFileSync(`${file}.called`, '')
    setInterval(() => {}, 1000)
  } else if (behaviour === 'hangs-but-reports') {
    // Each byte of the file lets it take one step, so that the test decides the time between two steps.
    let done = 0
    const timer = setInterval(() => {
      if (!existsSync(`${file}.steps`) || statSync(`${file}.steps`).size === done) return
      done += 1
      say({ type: 'progress', done, total: 6 })
      if (done < 6) return
      clearInterval(timer)
      say({ ...fitted, id })
    }, 5)
  } else if (behaviour === 'mistakes') say({ type: 'parameters', id })
  else say({ ...fitted, id })
}
