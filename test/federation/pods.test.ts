// Workers as in pods: the network half a program, the trainer under the operator's script beside it, FIFOs between, nats-server as
// the bus, an S3 server as the store. The same model bytes as in one process, after any kill, and exit codes as a Job reads them.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, readlink, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type NatsServer, type S3Server, startNats, startS3 } from '#cli/run/servers/servers.ts'
import { encodeJson } from '#protocol/canonical.ts'
import { sha256 } from '#protocol/digest.ts'
import { POD_EXITS } from '#protocol/exit-codes.ts'
import { baseKey, RUN_KEY } from '#protocol/keys.ts'
import { type Granted, type NextRequest, subjectPrefix } from '#protocol/messages.ts'
import { SEAM_FILES } from '#protocol/seam-files.ts'
import { connectNats } from '#transport/bus/nats/bus.ts'
import type { MessageBus, ObjectStore } from '#transport/ports.ts'
import { openS3Store } from '#transport/store/s3/store.ts'
import { playCoordinator, TRUST } from '../given/signed.ts'
import { startedEnvironment } from '../given/started.ts'
import { type Container, endContainer, startContainer } from '../trainers/container.ts'
import { until } from '../until.ts'
import { eventsOf, type Federation, openFederation, runFederation } from './federation.ts'

const fileOf = (path: string): string => fileURLToPath(new URL(path, import.meta.url))
const WORKER = fileOf('../../worker/main.ts')
const PACED = fileOf('../trainers/paced-main.ts')
const CLIENTS = ['a', 'b']
const SIZE = 500

let folder: string
let nats: NatsServer
let s3: S3Server
let reference: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fedsam-pods-'))
  nats = await startNats({ folder: join(folder, 'nats') })
  s3 = await startS3({ folder: join(folder, 's3'), bucket: 'fedsam' })
  reference = (await runFederation({ clients: CLIENTS, size: SIZE })).model
})
after(async () => {
  await nats?.stop()
  await s3?.stop()
  await rm(folder, { recursive: true, force: true })
})

/** One pod of a client: a folder of its own, the network half, and the trainer's container once the FIFOs are there. */
interface Pod {
  readonly seam: string
  readonly network: ChildProcess
  readonly networkExit: Promise<number | null>
  readonly container: Promise<Container>
  /** Kills the network half as the kubelet would find it dead; what it starts in its place is returned. */
  restartNetwork(): Promise<{ network: ChildProcess; exit: Promise<number | null> }>
}

const pods: Pod[] = []

/** `gates` is the folder that holds back the rounds; see paced-main.ts. */
async function startPod(client: string, uid: string, { base = false, gates = '' } = {}): Promise<Pod> {
  const seam = join(await mkdtemp(join(folder, `${client}-`)), 'seam')
  const start = () => {
    const env = {
      ...startedEnvironment(),
      FEDSAM_CLIENT: client,
      FEDSAM_SUBJECTS: subjectPrefix('test', uid),
      FEDSAM_SEAM: seam,
      FEDSAM_SCRATCH: join(seam, 'scratch'),
      FEDSAM_CACHE: `${seam}.cache`,
      FEDSAM_BASE: String(base),
      FEDSAM_NO_PROGRESS_SECONDS: '60',
      FEDSAM_ANSWER_SECONDS: '60',
      FEDSAM_NATS_URL: nats.url,
      FEDSAM_TRUST: TRUST.join(','),
      FEDSAM_STORES: `${s3.endpoint}/`,
      FEDSAM_KEY_FILE: `${seam}.key`,
      FEDSAM_TERMINATION_LOG: `${seam}.termination`,
    }
    const network = spawn(process.execPath, [WORKER], { env, stdio: ['ignore', 'ignore', 'inherit'] })
    return { network, exit: once(network, 'exit').then(([code]) => code as number | null) }
  }
  const { network, exit } = start()
  const container = untilFifo(join(seam, SEAM_FILES.control)).then(() =>
    startContainer(seam, [process.execPath, PACED, String(SIZE), '0', gates], { FEDSAM_CLIENT: client }),
  )
  const pod: Pod = {
    seam,
    network,
    networkExit: exit,
    container,
    async restartNetwork() {
      network.kill('SIGKILL')
      await exit
      return start()
    },
  }
  pods.push(pod)
  return pod
}

async function untilFifo(path: string): Promise<void> {
  await until(`${path} is there`, async () => (await stat(path).catch(() => undefined))?.isFIFO() === true)
}

/** The pod's end by the kubelet: first the container, then the sidecar. */
async function endPod(pod: Pod): Promise<void> {
  endContainer(await pod.container)
  pod.network.kill('SIGKILL')
  await pod.networkExit
}

function storeOf(uid: string): ObjectStore {
  const credentials = { accessKeyId: s3.accessKey, secretAccessKey: s3.secretKey }
  const { bucket, endpoint } = s3
  return openS3Store({
    bucket,
    prefix: uid,
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials,
  })
}

/** A run over the servers; workers are pods. */
async function openRun(uid: string): Promise<{ federation: Federation; bus: MessageBus }> {
  const store = storeOf(uid)
  const bus = await connectNats({ url: nats.url })
  const pace = { holdSeconds: 0.3, pollSeconds: 1, farewellSeconds: 5 }
  const federation = await openFederation({ clients: CLIENTS, size: SIZE, store, bus, pace, fixed: { uid } })
  return { federation, bus }
}

async function closeRun({ federation }: { federation: Federation }): Promise<void> {
  await Promise.all(pods.splice(0).map(endPod))
  await federation.close()
}

describe('workers in pods', () => {
  test('have the model bytes of workers in one process; containers end with 0, sidecars when asked to', async () => {
    const run = await openRun('whole')
    try {
      const started = await Promise.all(CLIENTS.map((client) => startPod(client, 'whole')))
      await run.federation.coordinate()
      assert.equal(await run.federation.model(), reference)
      for (const { container, network, networkExit } of started) {
        assert.equal(await (await container).exit, POD_EXITS.RunOver.code)
        assert.equal(network.exitCode, null)
        network.kill('SIGTERM')
        assert.equal(await networkExit, POD_EXITS.AskedToStop.code)
      }
    } finally {
      await closeRun(run)
    }
  })

  test('have them too where trainers and network halves are killed on the way', async () => {
    const run = await openRun('killed')
    try {
      // No round ends before its kill: the trainers wait for the round's gate.
      const gates = await mkdtemp(join(folder, 'gates-'))
      const openGate = (round: number): Promise<void> => writeFile(join(gates, String(round)), '')
      const [a, b] = await Promise.all(CLIENTS.map((client) => startPod(client, 'killed', { gates })))
      const over = run.federation.coordinate()
      const inRound = (round: number): Promise<void> =>
        until(`round ${round} opens`, () =>
          run.federation.events.some((event) => event.event === 'AttemptOpened' && event.round === round),
        )
      await inRound(1)
      // The container, as a crash of its program ends it: the kubelet stops the sidecar, the Job replaces the pod.
      endContainer(await a!.container)
      assert.notEqual(await (await a!.container).exit, 0)
      await until('the network half hears of the end', () =>
        lacks(a!.network, join(a!.seam, SEAM_FILES.output)),
      )
      a!.network.kill('SIGTERM')
      assert.equal(await a!.networkExit, POD_EXITS.AskedToStop.code)
      const again = await startPod('a', 'killed', { gates })
      await openGate(1)
      await inRound(2)
      // The network half alone: its trainer finds the end of its input, between calls or after one, and the Job replaces the pod.
      b!.network.kill('SIGKILL')
      await b!.networkExit
      await openGate(2)
      assert.equal(await (await b!.container).exit, POD_EXITS.Retriable.code)
      const replaced = await startPod('b', 'killed', { gates })
      await inRound(3)
      // The same where the trainer cannot hear of it: the next network half restarts it in place.
      const [stopped] = await programsOf(await again.container)
      process.kill(stopped!, 'SIGSTOP')
      const { network } = await again.restartNetwork()
      await openGate(3)
      await over
      assert.equal(await run.federation.model(), reference)
      assert.deepEqual(eventsOf(run.federation.events, 'ClientFailed'), [])
      for (const pod of [again, replaced])
        assert.equal(await (await pod.container).exit, POD_EXITS.RunOver.code)
      network.kill('SIGKILL')
    } finally {
      await closeRun(run)
    }
  })
})

/** Whether a process does not have this file open (any more). */
async function lacks({ pid }: ChildProcess, path: string): Promise<boolean> {
  const folder = `/proc/${pid}/fd`
  const open = await Promise.all(
    (await readdir(folder)).map((name) => readlink(join(folder, name)).catch(() => '')),
  )
  return !open.includes(path)
}

/** Process ids of the program in a container, which runs under the script. */
async function programsOf({ process: { pid } }: Container): Promise<number[]> {
  const children = (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim().split(' ').map(Number)
  const commands = await Promise.all(
    children.map(async (child) => ({ child, line: await readFile(`/proc/${child}/cmdline`, 'utf8') })),
  )
  return commands.filter(({ line }) => !line.startsWith('sh\0')).map(({ child }) => child)
}

/** A coordinator played by hand: every request is heard, `next` is answered by the script, reading is granted where it says so. */
async function play(
  uid: string,
  script: (request: NextRequest) => object,
  grant: (key: string) => Promise<Granted> = async () => ({ kind: 'Refused', reason: 'nothing to read' }),
): Promise<{ readonly heard: NextRequest[]; readonly bus: MessageBus }> {
  const bus = await connectNats({ url: nats.url })
  const heard: NextRequest[] = []
  await playCoordinator(bus, subjectPrefix('test', uid), async (request) => {
    if (request.kind === 'grant') {
      const keys = request.wants.map((want) => want.key)
      return { kind: 'granted', epoch: 1, granted: await Promise.all(keys.map(grant)) }
    }
    heard.push(request)
    return { epoch: 1, ...script(request) }
  })
  return { heard, bus }
}

const WAIT = { kind: 'wait', reason: '' }
const wordsOf = ({ have }: NextRequest): string[] => (have.state === 'Preparing' ? [have.message] : [])

test('a client that is refused ends its container with its own code, and stays until it is stopped', async () => {
  const refused = { kind: 'refused', reason: 'no such partition' }
  const { bus } = await play('refused', ({ have }) => (have.state === 'Preparing' ? WAIT : refused))
  const pod = await startPod('a', 'refused')
  try {
    assert.equal(await (await pod.container).exit, POD_EXITS.Refused.code)
    assert.equal(pod.network.exitCode, null)
    pod.network.kill('SIGTERM')
    assert.equal(await pod.networkExit, POD_EXITS.AskedToStop.code)
    const { code, message } = JSON.parse(await readFile(`${pod.seam}.termination`, 'utf8'))
    assert.deepEqual([code, message], ['Refused', 'the coordinator refused worker a: no such partition'])
  } finally {
    await Promise.all(pods.splice(0).map(endPod))
    await bus.close()
  }
})

test('where the trainer needs the base checkpoint, its container starts when that is complete', async () => {
  const store = storeOf('base')
  const weights = Buffer.alloc(100_000, 'weights')
  const digest = 'd'.repeat(64)
  const files = [{ name: 'model.safetensors', size: weights.length, sha256: sha256(weights) }]
  const base = { uri: 'hf://a/b@c', digest, files }
  const run = { schema: 'fedsam.run/1', name: 'job', uid: 'base', spec: {}, seed: 1, base }
  await store.put(baseKey(digest, 'model.safetensors'), weights)
  let wasTold = false
  const { heard, bus } = await play(
    'base',
    (request) => {
      wasTold ||= wordsOf(request).some((words) => words.includes('the run is not open yet'))
      return request.have.state === 'Preparing' ? WAIT : { kind: 'finished', reason: 'over' }
    },
    async (key) => {
      if (!wasTold) return { kind: 'Refused', reason: 'the run is not open yet' }
      await store.put(RUN_KEY, encodeJson(run))
      return { kind: 'Grant', grant: await store.grantRead(key, 60) }
    },
  )
  const pod = await startPod('a', 'base', { base: true })
  try {
    const container = await pod.container
    assert.deepEqual(await readFile(join(`${pod.seam}.cache`, 'base/current/model.safetensors')), weights)
    assert.equal(await container.exit, POD_EXITS.RunOver.code)
    assert.deepEqual(heard.at(-1)?.have, { state: 'Leaving' })
  } finally {
    await Promise.all(pods.splice(0).map(endPod))
    await bus.close()
    await store.close()
  }
})
