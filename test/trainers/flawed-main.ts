// A program on the trainer seam with one flaw, for what exercises such programs: node flawed-main.ts FLAW
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { writeSafetensors } from '#protocol/safetensors.ts'

const [flaw] = process.argv.slice(2)
const say = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`)
const floats = (values: readonly number[]) => new Uint8Array(Float32Array.from(values).buffer)
const file = (name: string, values: readonly number[]): Uint8Array =>
  writeSafetensors([{ name, shape: [values.length], dtype: 'F32', data: floats(values) }])

if (flaw === 'stays') setInterval(() => {}, 1000)
if (flaw === 'deaf') process.on('SIGTERM', () => {})
say({ type: 'ready', dataset: 'd', backend: 'b' })
for await (const text of createInterface({ input: process.stdin })) {
  const { id, call, ...files } = JSON.parse(text) as Record<string, string> & { id: number }
  if (call === 'get_parameters') {
    if (flaw === 'writes-fifo') execFileSync('mkfifo', [files.output!])
    else if (flaw === 'writes-link') symlinkSync('/dev/zero', files.output!)
    else if (flaw !== 'writes-nothing')
      writeFileSync(
        files.output!,
        flaw === 'writes-junk' ? 'junk' : file('w', flaw === 'empty' ? [] : [1, 2]),
      )
    say({ type: 'parameters', id })
  } else if (call === 'evaluate')
    say({ type: 'evaluated', id, loss: 1, num_examples: flaw === 'half' ? 0.5 : 1 })
  else if (flaw !== 'blind' && !existsSync(files.tensors!)) {
    if (flaw === 'dies') process.exit(3)
    say({ type: 'error', id, message: 'there is no such file' })
  } else {
    const made: Readonly<Record<string, () => Uint8Array>> = {
      renames: () => file('v', [1, 2]),
      'not-finite': () => file('w', [1, Number.NaN]),
      random: () => file('w', [Math.random(), 2]),
      idle: () => readFileSync(files.tensors!),
    }
    writeFileSync(files.output!, (made[flaw!] ?? (() => file('w', [2, 3])))())
    const states: Readonly<Record<string, string>> = {
      'leaves-elsewhere': '/etc/hostname',
      'leaves-nothing': files.state_output!,
    }
    const state = states[flaw!] === undefined ? {} : { state: states[flaw!] }
    say({ type: 'fitted', id, num_examples: flaw === 'weightless' ? 0 : 2, ...state })
  }
}
