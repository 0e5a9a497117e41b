// `fedsam run --processes`: coordinator and workers in processes of their own over a real nats-server and a real S3 server,
// with a trainer of a program's own that keeps a state. The same model bytes as in one process, also where processes are killed meanwhile.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { runLocally } from '#cli/run/local.ts'
import { runInProcesses } from '#cli/run/processes.ts'
import { processRecord } from '#cli/run/record-folder.ts'
import { readStates } from '#coordinator/record/client-states.ts'
import { verifyRecord } from '#coordinator/record/verify.ts'
import { completeSpec } from '#protocol/defaults.ts'
import { sha256 } from '#protocol/digest.ts'
import type { RunEvent } from '#protocol/events.ts'
import { openFilesystemStore } from '#transport/store/filesystem/store.ts'
import { trainerEnvironment } from '#worker/trainer/trainer-environment.ts'
import { readCounts } from '../trainers/quadratic.ts'
import { resultOf } from './record.ts'

const TRAINER = fileURLToPath(new URL('../trainers/paced-main.ts', import.meta.url))

let folder: string
let reference: string

const modelIn = async (output: string): Promise<string> =>
  sha256(await readFile(join(folder, output, 'output', 'model.safetensors')))

/** The job. With the folder `gates`, each round waits for a file there (paced-main.ts). */
const specOf = (gates: string) =>
  completeSpec({
    rounds: 3,
    strategy: { type: 'FedAvg', minFitClients: 3, minAvailableClients: 3 },
    trainer: {
      type: 'Command',
      command: { command: [process.execPath, TRAINER, '500', '0', gates, 'counts'] },
    },
    partitions: ['a', 'b', 'c'].map((name) => ({ name })),
  })

interface Watch {
  readonly gates?: string
  readonly observe?: (event: RunEvent) => void
}

/** Runs the job; `observe` receives the events on the way. */
async function run(
  start: typeof runLocally | typeof runInProcesses,
  output: string,
  { gates = '', observe = () => {} }: Watch = {},
): Promise<void> {
  const spec = specOf(gates)
  const said: string[] = []
  await start({
    job: { name: 'toy', namespace: 'default', uid: 'local', generation: 1, spec },
    spec,
    files: { checkpoint: null, initialParameters: '', resumeFrom: '' },
    folder,
    env: trainerEnvironment(process.env),
    output: join(folder, output),
    observe,
    log: (client, line) => said.push(`[${client}] ${line}`),
    signal: AbortSignal.timeout(600_000),
  }).catch((error: Error) => {
    throw new Error(`${error.message}\n${said.join('\n')}`, { cause: error })
  })
}

/** Processes that this one started whose command line holds the text. */
function children(text: string): number[] {
  return execFileSync('ps', ['-A', '-o', 'pid=,ppid=,args='], { encoding: 'utf8' })
    .split('\n')
    .map((line) => /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line))
    .flatMap((found) =>
      found !== null && Number(found[2]) === process.pid && found[3]!.includes(text)
        ? [Number(found[1])]
        : [],
    )
}

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fedsam-processes-'))
  await run(runLocally, 'reference')
  reference = await modelIn('reference')
})
after(() => rm(folder, { recursive: true, force: true }))

describe('a run in processes', () => {
  test('has the model bytes of the run in one process, and a sound record', async () => {
    await run(runInProcesses, 'processes')
    assert.equal(await modelIn('processes'), reference)
    const store = await openFilesystemStore({ folder: processRecord(join(folder, 'processes')) })
    const { problems, complete, results } = await verifyRecord(store)
    assert.deepEqual(problems, [])
    assert.deepEqual({ complete, results }, { complete: true, results: 5 })
    const states = await readStates(store, await resultOf(store, 4))
    assert.deepEqual(
      await Promise.all(states.map(async ({ key }) => readCounts((await store.get(key!))!))),
      ['a', 'b', 'c'].map(() => ({ fits: 3, evaluations: 4 })),
    )
  })

  test('has them too where the coordinator and workers are killed on the way, and leaves no process', async () => {
    const gates = join(folder, 'gates')
    await mkdir(gates)
    const open = (name: string): void => writeFileSync(join(gates, name), '')
    const killed: string[] = []
    const kill = (text: string, which: number): void => {
      const pid = children(text)[which]
      if (pid === undefined) return
      process.kill(pid, 'SIGKILL')
      killed.push(text)
    }
    // Each round waits for its gate, and the gate opens after the kill: so a slow `ps` finds no run that is over.
    open('1-a')
    await run(runInProcesses, 'killed', {
      gates,
      observe(event) {
        if (event.event === 'UpdateAdmitted' && event.round === 1 && killed.length === 0) {
          kill('coordinator/main.ts', 0)
          open('1')
        }
        if (event.event === 'RoundCompleted' && event.round === 1) {
          kill('worker/main.ts', 1)
          open('2')
        }
        if (event.event === 'RoundCompleted' && event.round === 2) {
          kill('coordinator/main.ts', 0)
          open('3')
        }
      },
    })
    assert.deepEqual(killed, ['coordinator/main.ts', 'worker/main.ts', 'coordinator/main.ts'])
    assert.equal(await modelIn('killed'), reference)
    assert.deepEqual(children('main.ts'), [])
    assert.deepEqual(children('nats-server'), [])
  })
})
