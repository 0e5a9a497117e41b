// Both Python programs of a Flower app without a network between them: the real strategy's program under the coordinator's own code, and a
// real client program for each partition, on the call `message` of the trainer seam. A server program that dies before each exchange in turn
// ends with the same bytes, though its clients live on.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { RunExchange } from '#coordinator/program/context.ts'
import { digestPayload, sha256 } from '#protocol/digest.ts'
import { exchangeKeys, uploadName } from '#protocol/keys.ts'
import { readSafetensors } from '#protocol/safetensors.ts'
import { ensureFlower, FLOWER_VERSIONS } from '#scripts/flower.ts'
import { PYTHON_PACKAGE } from '#scripts/python.ts'
import { createMemoryStore } from '#test/given/memory-store.ts'
import { acceptedReply, CLIENTS, runScripted } from '#test/programs/scripted.ts'
import type { ObjectStore } from '#transport/ports.ts'

const APPS = fileURLToPath(new URL('apps', import.meta.url))
const ROUNDS = 2
/** A first count of the nodes, then train and evaluate in each round. */
const EXCHANGES = 2 * ROUNDS

/** The ServerApp in a program that dies once before each exchange. */
const MORTAL = `
import os, signal
from quickstart_numpy.server_app import app

inner, sent = app._main, []

def main(grid, context):
    whole = grid.send_and_receive
    def send_and_receive(messages, **more):
        sent.append(1)
        marker = os.path.join(FOLDER, f"died-{len(sent)}")
        if not os.path.exists(marker):
            open(marker, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        return whole(messages, **more)
    grid.send_and_receive = send_and_receive
    inner(grid, context)

app._main = main
`

let folder: string
let env: Record<string, string>
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fedsam-both-ends-'))
  const python = await ensureFlower(FLOWER_VERSIONS[1])
  env = {
    PATH: `${dirname(python)}${delimiter}${process.env.PATH}`,
    PYTHONPATH: [PYTHON_PACKAGE, APPS, folder].join(delimiter),
    PYTHONDONTWRITEBYTECODE: '1',
    PYTHONHASHSEED: '1',
  }
})
after(() => rm(folder, { recursive: true, force: true }))

/** A client program, and the last state that counts. */
interface Client {
  readonly child: ChildProcess
  ask(call: Readonly<Record<string, unknown>>): Promise<Record<string, unknown>>
  state?: string
}

async function startClient(name: string, place: number): Promise<Client> {
  const values = ['local-epochs=3', 'momentum=0.9', 'clip=0.8'].flatMap((value) => ['--arg', value])
  const child = spawn('python3', ['-m', 'fedsam_client', 'quickstart_numpy.client_app:app', ...values], {
    env: {
      ...env,
      FEDSAM_CLIENT: name,
      FEDSAM_PARTITION_ID: String(place),
      FEDSAM_NUM_PARTITIONS: String(CLIENTS.length),
    },
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]()
  const next = async (): Promise<Record<string, unknown>> => {
    const { value, done } = await lines.next()
    assert.ok(done !== true, `the client ${name} ended`)
    const line = JSON.parse(value) as Record<string, unknown>
    return line.type === 'progress' ? next() : line
  }
  assert.equal((await next()).type, 'ready')
  let id = 0
  const ask = async (call: Readonly<Record<string, unknown>>) => {
    id += 1
    child.stdin!.write(`${JSON.stringify({ id, ...call })}\n`)
    return next()
  }
  return { child, ask }
}

/** Hands each message of an exchange to its client, as a worker does. */
function answeredBy(clients: ReadonlyMap<string, Client>, store: ObjectStore, scratch: string): RunExchange {
  return async ({ value: { exchange, messages } }) => {
    const received = new Map()
    const replies = []
    for (const [message, { client: name, kind, group, content }] of messages.entries()) {
      const client = clients.get(name)!
      const path = join(scratch, `${exchange}-${message}`)
      await writeFile(path, (await store.get(exchangeKeys(exchange).content(content.sha256)))!)
      const state = client.state === undefined ? {} : { state: client.state }
      const files = { content: path, output: `${path}.reply`, state_output: `${path}.state`, ...state }
      const answer = await client.ask({ call: 'message', kind, group, ...files })
      assert.equal(answer.type, 'replied', JSON.stringify(answer))
      if (typeof answer.state === 'string') client.state = answer.state
      const bytes = await readFile(`${path}.reply`)
      const upload = uploadName(1)
      await store.put(exchangeKeys(exchange).payload(name, message, upload), bytes)
      const reply = { kind: 'Content', upload, ...digestPayload(bytes) } as const
      const accepted = await acceptedReply(store, {
        client: name,
        exchange,
        message,
        content: content.sha256,
        reply,
      })
      received.set(message, accepted.reply)
      replies.push(accepted.decided)
    }
    return { replies, states: [], map: [], received, clean: async () => {} }
  }
}

/** Runs the app with this ServerApp; resolves to the digests of its output's files, and its events. */
async function runApp(server: string) {
  const store = createMemoryStore()
  const scratch = await mkdtemp(join(folder, 'run-'))
  const clients = new Map<string, Client>()
  for (const [place, name] of CLIENTS.entries()) clients.set(name, await startClient(name, place))
  try {
    const values = ['--arg', `num-server-rounds=${ROUNDS}`]
    const { events, log } = await runScripted({
      store,
      folder: scratch,
      change: (context) => ({
        ...context,
        program: {
          ...context.program,
          command: ['python3', '-m', 'fedsam_client.server', server, ...values],
          env,
        },
        runExchange: answeredBy(clients, store, scratch),
      }),
    })
    const files: Record<string, string> = {}
    for (const name of ['model.safetensors', 'metrics.json', 'final.npz', 'app/metrics.json'])
      files[name] = sha256((await store.get(`output/${name}`))!)
    return { store, files, events, log }
  } finally {
    for (const { child } of clients.values()) {
      child.stdin!.end()
      if (child.exitCode === null) await once(child, 'exit')
    }
  }
}

test('an unchanged ServerApp and ClientApp come to a model; one that dies before every exchange, to the same', async () => {
  const whole = await runApp('quickstart_numpy.server_app:app')
  const model = readSafetensors((await whole.store.get('output/model.safetensors'))!)
  assert.deepEqual(
    model.map(({ name, dtype, shape }) => [name, dtype, shape]),
    [
      ['hidden.bias', 'F64', [5]],
      ['hidden.weight', 'F64', [5, 6]],
      ['out.bias', 'F64', [1]],
      ['out.weight', 'F64', [1, 5]],
    ],
  )
  const rounds = whole.events.filter((event) => event.event === 'ProgramRound')
  assert.deepEqual(
    rounds.map(({ round, of }) => [round, of]),
    Array.from({ length: ROUNDS }, (_, place) => [place + 1, ROUNDS]),
  )
  const metrics = JSON.parse(new TextDecoder().decode((await whole.store.get('output/metrics.json'))!))
  // The momentum of every client is that of its second round: its context.state came back.
  assert.ok(Math.abs(metrics.metrics['train.rounds'] - ROUNDS) < 1e-12)

  await writeFile(join(folder, 'mortal.py'), `FOLDER = ${JSON.stringify(folder)}\n${MORTAL}`)
  const killed = await runApp('mortal:app')
  const lives = killed.events.filter((event) => event.event === 'ProgramStarted')
  assert.equal(lives.length, EXCHANGES + 1)
  assert.deepEqual(killed.files, whole.files)
})
