// NumPyClients that are wrong in one way each: every one is that client's outcome, with words that somebody who wrote the
// class understands, and the rounds go on with the good ones.
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { numbersOf } from '#coordinator/aggregation/numbers.ts'
import type { RunEvent } from '#protocol/events.ts'
import { readSafetensors } from '#protocol/safetensors.ts'
import { ROOT, startFedsam } from '../cli/fedsam.ts'
import { pythonEnvironment } from './example.ts'

/** Outcome, reason and what the message says. */
const EXPECTED: Readonly<Record<string, readonly [outcome: string, reason: string, says: RegExp]>> = {
  good: ['Accepted', '', /^$/],
  'good-but-prints': ['Accepted', '', /^$/],
  'good-but-forks': ['Accepted', '', /^$/],
  'other-shape': [
    'Failed',
    'TrainerFailed',
    /fit returned array 0 \(0000\) with shape \(2, 3\) where .* \(3, 2\)/,
  ],
  'fewer-arrays': ['Failed', 'TrainerFailed', /fit returned 1 arrays where it was given 2/],
  'not-a-number': ['Rejected', 'NotFinite', /0001\[1\] is not a finite number/],
  objects: ['Failed', 'TrainerFailed', /elements of type object.*one array for each tensor/],
  strings: ['Failed', 'TrainerFailed', /elements of type str/],
  'no-examples': ['Failed', 'TrainerFailed', /fit returned a tuple of 2: return three values/],
  'float-examples': ['Failed', 'TrainerFailed', /3\.5 \(float\) for num_examples: return a whole number/],
  'negative-examples': ['Failed', 'TrainerFailed', /-1 \(int\) for num_examples/],
  'raises-in-fit': [
    'Failed',
    'TrainerFailed',
    /ValueError: the loss is gone \(.*bad_clients\.py:\d+ in raises_in_fit/,
  ],
  'raises-in-evaluate': ['Accepted', '', /^$/],
  'nan-loss': ['Accepted', '', /^$/],
  'evaluates-nothing': ['Accepted', '', /^$/],
  'evaluates-none': ['Accepted', '', /^$/],
  'leaves-in-evaluate': ['Accepted', '', /^$/],
  'dies-in-evaluate': ['Accepted', '', /^$/],
  hangs: ['Failed', 'TrainerFailed', /wrote nothing and used no processor time for 15 s/],
  exits: ['Failed', 'TrainerFailed', /ended with code 3/],
  leaves: ['Failed', 'TrainerFailed', /fit left the program: sys\.exit\('enough'\)/],
  huge: ['Failed', 'TrainerFailed', /shape \(536870912,\) where it was given \(3, 2\)/],
}

/** Clients without an evaluation although their update counts: outcome of the evaluation, and what the message says. */
const UNMEASURED: Readonly<Record<string, readonly [outcome: string, says: RegExp]>> = {
  'dies-in-evaluate': ['Failed', /ended with code 5/],
  'evaluates-none': ['Failed', /evaluate returned None: return three values: loss, num_examples, metrics/],
  'evaluates-nothing': ['Nothing', /^$/],
  'leaves-in-evaluate': ['Failed', /evaluate left the program: sys\.exit\(4\)/],
  'nan-loss': ['Failed', /evaluate returned the loss nan .*diverged/],
  'raises-in-evaluate': ['Failed', /evaluate raised KeyError: 'dice' \(bad_clients\.py:\d+ in evaluate/],
}

let folder: string
let env: Record<string, string>

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fedsam-bad-python-'))
  env = await pythonEnvironment()
})
after(() => rm(folder, { recursive: true, force: true }))

/** Runs a job of these partitions; its events, and what it said besides. */
async function run(
  name: string,
  clients: readonly string[],
  spec: string,
): Promise<{ code: number | null; events: RunEvent[]; stderr: string }> {
  const target = `${ROOT}test/flower/bad_clients.py:Client`
  await writeFile(
    join(folder, `${name}.yaml`),
    `apiVersion: fedsam.dev/v1alpha1
kind: FederatedJob
metadata: {name: bad-clients}
spec:
  trainer: {type: Command, command: {command: [python3, -m, fedsam_client, ${JSON.stringify(target)}]}}
  partitions: ${JSON.stringify(clients.map((client) => ({ name: client })))}
${spec}`,
  )
  const args = ['run', `${name}.yaml`, '--output', name, '--json']
  const { code, stdout, stderr } = await startFedsam(folder, args, { env })
  const events = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as RunEvent)
  return { code, events, stderr }
}

const roundsOf = (events: readonly RunEvent[]) =>
  events.filter(
    (event) => event.event === 'RoundCompleted' && event.accepted.length > 0 && event.round > 0,
  ) as Extract<RunEvent, { event: 'RoundCompleted' }>[]

test('each bad client is its own outcome, and the others are averaged', async () => {
  const clients = Object.keys(EXPECTED)
  const spec = `  rounds: 2
  strategy: {minFitClients: 3, minAvailableClients: ${clients.length}}
  round: {quorum: 3, noProgressSeconds: 15}
`
  const { code, events, stderr } = await run('bad', clients, `${spec}  seed: 1\n`)
  assert.equal(code, 0, stderr)
  const rounds = roundsOf(events)
  assert.equal(rounds.length, 2)
  const good = clients.filter((client) => EXPECTED[client]![0] === 'Accepted').sort()
  for (const { outcomes, accepted, notEvaluated } of rounds) {
    assert.deepEqual([...accepted].sort(), good)
    assert.deepEqual(outcomes.map(({ client }) => client).sort(), [...clients].sort(), 'each has an outcome')
    const without = notEvaluated.filter(({ client }) => good.includes(client))
    assert.deepEqual(
      without.map(({ client }) => client),
      Object.keys(UNMEASURED),
    )
    for (const { client, outcome, message } of without) {
      const [wanted, says] = UNMEASURED[client]!
      assert.equal(outcome, wanted, client)
      assert.match(message, says)
    }
    for (const { client, outcome, reason, message } of outcomes) {
      const [wanted, why, says] = EXPECTED[client]!
      assert.deepEqual([outcome, reason], [wanted, why], `${client}: ${message}`)
      assert.match(message, says)
      assert.doesNotMatch(message, /undefined|\[object/)
    }
  }
  assert.match(stderr, /\[good-but-prints\] no line/)
  assert.match(stderr, /\[good-but-prints\] fedsam_client: fit returned the metric note as 'dropped'/)
  const model = readSafetensors(await readFile(join(folder, 'bad/output/model.safetensors')))
  for (const { dtype, data } of model) assert.deepEqual(new Set(numbersOf(dtype, data)), new Set([2]))
})

test('a class that cannot be instantiated, and one without parameters, are reported; the run starts with another', async () => {
  const clients = ['raises-at-start', 'has-none-a', 'has-none-b', 'good']
  const spec = `  rounds: 1
  strategy: {minFitClients: 3, minAvailableClients: 3}
  round: {quorum: 3, settleSeconds: 1, maxFailedRounds: 50}
`
  const { code, events, stderr } = await run('start', clients, spec)
  assert.equal(code, 0, stderr)
  assert.match(stderr, /\[raises-at-start\] .*RuntimeError: no picture in the folder/)
  assert.deepEqual([...roundsOf(events)[0]!.accepted].sort(), ['good', 'has-none-a', 'has-none-b'])
})
