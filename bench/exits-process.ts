// A program that exits while V8 compiles hundreds of its functions and its heap is almost full. bench/exits.ts starts it many times.
// Arguments: milliseconds until it exits; 'ours' exits as our programs do, 'plain' calls process.exit() alone.
import { exitProcess, tuneEngine } from '#runtime/engine.ts'

const [ms, how] = process.argv.slice(2)
tuneEngine()

/** Functions that are long enough to take the compilers a millisecond each. */
const FUNCTIONS = Array.from({ length: 400 }, (_, k) => {
  const lines = Array.from(
    { length: 60 },
    (_, n) => `if (a[i % 7] === ${n + 3}) { o.push({ s, i, k${n}: [i, s] }); s += ${k} }`,
  )
  return new Function(
    'a',
    `let s = 0; const o = []; for (let i = 0; i < 4; i++) { ${lines.join('\n')} } return o`,
  )
})
const kept: object[] = []
const end = performance.now() + Number(ms)
for (let pass = 0; performance.now() < end; pass += 1) {
  for (const one of FUNCTIONS) one([1, 2, 3, 4, 5, 6, 7])
  for (let n = 0; n < 2000; n += 1) kept.push({ pass: [pass, n] })
}
if (how === 'ours') exitProcess(0)
process.exit(0)
