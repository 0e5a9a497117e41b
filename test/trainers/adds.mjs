// A trainer in plain Node that replies to messages (docs/trainer-seam.md), for tests: it adds its partition's place to the number that it
// gets. Its state counts the messages; from the second one on it adds 10, so a lost state changes the numbers.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`)
const place = Number(process.env.FEDSAM_PARTITION_ID)
say({ type: 'ready', dataset: '', backend: '' })
for await (const line of createInterface({ input: process.stdin })) {
  const { id, call, kind, content, output, state, state_output: next } = JSON.parse(line)
  if (call !== 'message') {
    say({ type: 'error', id, message: `this trainer answers messages alone, and got ${call}` })
    continue
  }
  if (kind === 'refuse') {
    say({ type: 'replied', id, error: { code: 6, reason: 'a mod refuses it' } })
    continue
  }
  const before = state !== undefined && existsSync(state) ? Number(readFileSync(state, 'utf8')) : 0
  const number = Number(readFileSync(content, 'utf8'))
  writeFileSync(output, String(number + place + (before > 0 ? 10 : 0)))
  writeFileSync(next, String(before + 1))
  say({ type: 'replied', id, state: next })
}
