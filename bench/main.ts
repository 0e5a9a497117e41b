// npm run bench [NAME…]: prints the machine and the figures, one row each; exits with 1 where a target was missed.
// npm run bench mutants [ID…]: a figure that only runs if it is named, with a choice of its own.
// A new figure is a file beside this one and a line in FIGURES.

import { cpus, totalmem } from 'node:os'
import { tuneEngine } from '#runtime/engine.ts'
import { exits } from './exits.ts'
import type { Figure } from './figure.ts'
import { foldMemory } from './fold.ts'
import { gateUnderLoad } from './gate.ts'
import { mutants } from './mutants.ts'
import { operatorAtScale } from './operator.ts'
import { noopRound } from './round.ts'

const FIGURES: readonly Figure[] = [noopRound, foldMemory, operatorAtScale, gateUnderLoad, mutants, exits]

function describeMachine(): string {
  const processors = cpus()
  const gib = (totalmem() / 2 ** 30).toFixed(0)
  return `${processors.length} × ${processors[0]?.model ?? 'unknown processor'}, ${gib} GiB, Node ${process.versions.node}, ${process.platform}`
}

const wanted = process.argv.slice(2)
const alone = FIGURES.find(({ name, onlyIfNamed }) => onlyIfNamed === true && name === wanted[0])
const chosen = alone
  ? [alone]
  : FIGURES.filter(({ name, onlyIfNamed }) => (wanted.length === 0 ? !onlyIfNamed : wanted.includes(name)))
if (chosen.length === 0) {
  console.error(`no figure of that name; there are ${FIGURES.map(({ name }) => name).join(', ')}`)
  process.exit(2)
}
tuneEngine()
console.log(describeMachine())
for (const { name, run } of chosen) {
  for (const { what, value, against, met } of await run(alone ? wanted.slice(1) : [])) {
    console.log(`${met ? ' ' : '!'} ${name.padEnd(8)} ${what.padEnd(36)} ${value.padStart(12)}  ${against}`)
    if (!met) process.exitCode = 1
  }
}
