// node bench/flower.ts [MEGABYTES…]: Flower's gRPC server beside FedSAM, two clients that train nothing, models of 1, 16 and
// 64 MB. The contestants take turns, so that both meet the same machine; the figures are medians over turns. Exits with 1
// where FedSAM is behind, in one process or in several. Needs pip (Flower is installed once, into the user's cache folder).
// Flower keeps nothing; FedSAM's record goes to TMPDIR, which should be memory (TMPDIR=/dev/shm), or it is the disk that is
// measured.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ensurePython, FLOWER_PACKAGES } from '#scripts/python.ts'
import { type Bout, type Measured, runFlower, runLocal, runProcesses } from './flower/contestants.ts'

const TURNS = 5

/** Rounds, and how many of them warm up, by the model's megabytes. */
const ROUNDS: Readonly<Record<number, { rounds: number; skipped: number }>> = {
  1: { rounds: 60, skipped: 20 },
  16: { rounds: 20, skipped: 5 },
  64: { rounds: 6, skipped: 2 },
}

const CONTESTANTS: Readonly<Record<string, (bout: Bout) => Promise<Measured>>> = {
  'Flower 1.42': runFlower,
  'fedsam run': runLocal,
  'fedsam run --processes': runProcesses,
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!

async function measure(python: string, megabytes: number): Promise<Map<string, Measured[]>> {
  const { rounds, skipped } = ROUNDS[megabytes] ?? ROUNDS[64]!
  const measured = new Map<string, Measured[]>()
  for (let turn = 0; turn < TURNS; turn += 1) {
    for (const [name, run] of Object.entries(CONTESTANTS)) {
      const folder = await mkdtemp(join(tmpdir(), 'fedsam-flower-'))
      try {
        const { seconds, ...memory } = await run({ python, megabytes, rounds, folder })
        const counted = { ...memory, seconds: seconds.slice(skipped) }
        measured.set(name, [...(measured.get(name) ?? []), counted])
      } finally {
        await rm(folder, { recursive: true, force: true })
      }
    }
  }
  return measured
}

const python = await ensurePython(FLOWER_PACKAGES, { log: (line) => console.error(line) })
const sizes = process.argv.slice(2).map(Number)
console.log(`${''.padEnd(34)}${'a round'.padStart(10)}${'server'.padStart(10)}${'a client'.padStart(10)}`)
for (const megabytes of sizes.length > 0 ? sizes : [1, 16, 64]) {
  const rows = [...(await measure(python, megabytes))].map(([name, turns]) => ({
    name,
    seconds: median(turns.flatMap(({ seconds }) => seconds)),
    server: median(turns.map(({ server }) => server)),
    client: median(turns.map(({ client }) => client)),
  }))
  const [flower] = rows
  for (const { name, seconds, server, client } of rows) {
    const cells = [`${(seconds * 1000).toFixed(0)} ms`, `${server.toFixed(0)} MB`, `${client.toFixed(0)} MB`]
    const behind =
      seconds > flower!.seconds || server > flower!.server || client > flower!.client ? '  behind' : ''
    console.log(
      `${`${megabytes} MB, ${name}`.padEnd(34)}${cells.map((cell) => cell.padStart(10)).join('')}${behind}`,
    )
    if (behind !== '') process.exitCode = 1
  }
}
