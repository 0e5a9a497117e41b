// A trainer in plain Node for tests of replies to messages: the kind of a message says what it does with the reply's file, its state and
// its answer. Every kind leaves bytes at both paths, or what it says in their place.
import { copyFileSync, linkSync, mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`)
const ODD = {
  link: (output, content) => symlinkSync(content, output),
  hardLink: (output, content) => linkSync(content, output),
  folder: (output) => mkdirSync(output),
  large: (output) => {
    writeFileSync(output, '')
    truncateSync(output, 64 * 1024 ** 3 + 1) // sparse
  },
  empty: (output) => writeFileSync(output, ''),
  nothing: () => {},
}
say({ type: 'ready', dataset: 'data', backend: '' })
for await (const line of createInterface({ input: process.stdin })) {
  const { id, kind, group, node, content, output, state_output: next } = JSON.parse(line)
  if (next !== undefined) writeFileSync(next, `state after ${kind}`)
  if (ODD[kind] !== undefined) ODD[kind](output, content)
  else copyFileSync(content, output)
  if (kind === 'names') writeFileSync(output, JSON.stringify({ kind, group, node }))
  if (kind === 'ends') process.exit(3)
  if (kind === 'fails') say({ type: 'error', id, message: 'it has no answer' })
  else if (kind === 'error')
    say({ type: 'replied', id, error: { code: 6, reason: `${'x'.repeat(2046)}😀y` }, state: next })
  else say({ type: 'replied', id, ...(kind === 'stateless' ? {} : { state: next }) })
}
