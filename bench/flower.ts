// node bench/flower.ts [clients|apps|kill] [MEGABYTES…]: Flower beside FedSAM, two clients that train nothing, models of 1, 16 and 64 MB.
//   clients  Flower's gRPC server and start_client beside a NumPyClient of FedSAM. Exits with 1 where FedSAM is behind.
//   apps     one app's unchanged folder under SuperLink and SuperNodes, under `flwr run` in simulation, and under `fedsam run`.
//   kill     the same app of 10 rounds, whose server gets SIGKILL in round 3: what is left.
// The contestants take turns, so that all meet the same machine; figures are medians over turns. Needs pip (Flower is installed once, into
// the user's cache folder). FedSAM's record goes to TMPDIR, which should be memory (TMPDIR=/dev/shm), or it is the disk that is measured.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ensurePython, FLOWER_APP_PACKAGES, FLOWER_PACKAGES } from '#scripts/python.ts'
import { measureApp, openDeployment, openFedsam, openFedsamProcesses, openSimulation } from './flower/apps.ts'
import { type Bout, type Measured, runFlower, runLocal, runProcesses } from './flower/contestants.ts'
import { killInRound } from './flower/kill.ts'

/** Rounds, and how many of them warm up. */
interface Length {
  readonly rounds: number
  readonly skipped: number
}

interface Comparison {
  readonly turns: number
  readonly packages: readonly string[]
  /** By the model's megabytes. */
  readonly lengths: Readonly<Record<number, Length>>
  readonly contestants: Readonly<Record<string, (bout: Bout) => Promise<Measured>>>
  /** Whom each contestant of FedSAM is compared with: one process with one, a server and its clients with such. */
  readonly rivals: Readonly<Record<string, string>>
}

const OPEN = {
  'SuperLink 1.42': openDeployment,
  'flwr run, simulation': openSimulation,
  'fedsam run FOLDER': openFedsam,
  'the same --processes': openFedsamProcesses,
}

const COMPARISONS: Readonly<Record<string, Comparison>> = {
  clients: {
    turns: 5,
    packages: FLOWER_PACKAGES,
    lengths: {
      1: { rounds: 60, skipped: 20 },
      16: { rounds: 20, skipped: 5 },
      64: { rounds: 6, skipped: 2 },
    },
    contestants: {
      'Flower 1.42': runFlower,
      'fedsam run': runLocal,
      'fedsam run --processes': runProcesses,
    },
    rivals: { 'fedsam run': 'Flower 1.42', 'fedsam run --processes': 'Flower 1.42' },
  },
  apps: {
    turns: 1,
    packages: FLOWER_APP_PACKAGES,
    lengths: { 1: { rounds: 8, skipped: 2 }, 16: { rounds: 6, skipped: 1 }, 64: { rounds: 4, skipped: 1 } },
    contestants: Object.fromEntries(
      Object.entries(OPEN).map(([name, open]) => [name, (bout: Bout) => measureApp(open, bout)]),
    ),
    rivals: {
      'fedsam run FOLDER': 'flwr run, simulation',
      'the same --processes': 'SuperLink 1.42',
    },
  },
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!

async function inFolder<T>(act: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-flower-'))
  try {
    return await act(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function measure(
  { turns, lengths, contestants }: Comparison,
  python: string,
  megabytes: number,
): Promise<Map<string, Measured[]>> {
  const { rounds, skipped } = lengths[megabytes] ?? lengths[64]!
  const measured = new Map<string, Measured[]>()
  for (let turn = 0; turn < turns; turn += 1) {
    for (const [name, run] of Object.entries(contestants)) {
      const found = await inFolder((folder) => run({ python, megabytes, rounds, folder }))
      const counted = { ...found, seconds: found.seconds.slice(skipped) }
      measured.set(name, [...(measured.get(name) ?? []), counted])
    }
  }
  return measured
}

/** Prints a row for each contestant, and which of FedSAM's are behind. */
async function compare(comparison: Comparison, sizes: readonly number[]): Promise<void> {
  const python = await ensurePython(comparison.packages, { log: (line) => console.error(line) })
  console.log(`${''.padEnd(34)}${'a round'.padStart(10)}${'server'.padStart(10)}${'a client'.padStart(10)}`)
  for (const megabytes of sizes) {
    const rows = [...(await measure(comparison, python, megabytes))].map(([name, turns]) => ({
      name,
      seconds: median(turns.flatMap(({ seconds }) => seconds)),
      server: median(turns.map(({ server }) => server)),
      client: median(turns.map(({ client }) => client)),
    }))
    const named = new Map(rows.map((row) => [row.name, row]))
    for (const { name, seconds, server, client } of rows) {
      const cells = [
        `${(seconds * 1000).toFixed(0)} ms`,
        `${server.toFixed(0)} MB`,
        `${client.toFixed(0)} MB`,
      ]
      const flower = named.get(comparison.rivals[name] ?? '')
      const behind =
        flower !== undefined && (seconds > flower.seconds || server > flower.server || client > flower.client)
      console.log(
        `${`${megabytes} MB, ${name}`.padEnd(34)}${cells.map((cell) => cell.padStart(10)).join('')}${behind ? '  behind' : ''}`,
      )
      if (behind) process.exitCode = 1
    }
  }
}

async function kill(): Promise<void> {
  const python = await ensurePython(FLOWER_APP_PACKAGES, { log: (line) => console.error(line) })
  for (const [name, open] of Object.entries(OPEN))
    console.log(
      `${name.padEnd(24)}${await inFolder((folder) => killInRound(open, { python, megabytes: 1, rounds: 10, folder }))}`,
    )
}

const [first = 'clients', ...others] = process.argv.slice(2)
const comparison = COMPARISONS[first]
if (first === 'kill') await kill()
else {
  const sizes = (comparison === undefined ? [first, ...others] : others).map(Number)
  await compare(comparison ?? COMPARISONS.clients!, sizes.length > 0 ? sizes : [1, 16, 64])
}
