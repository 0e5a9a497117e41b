// `npm run cluster`: a Kubernetes of one's own on this machine with FedSAM in it, from a cache or from nothing, which goes on in the
// background. `-- status` shows it, `-- down` leaves nothing of it behind. Needs Linux and root; says so where they are missing.
import { createHash } from 'node:crypto'
import { FedsamError } from '#protocol/errors.ts'
import { prepareExample } from './cluster/example.ts'
import { whatToTry } from './cluster/words.ts'
import { ROOT } from './images/dockerfile.ts'
import { stopMachine } from './kubernetes/node/machine.ts'
import { whyNotThisSystem } from './kubernetes/node/packages.ts'
import type { RunningNode } from './kubernetes/node/running.ts'
import { findNode, startNode } from './kubernetes/node.ts'

const SYSTEM = 'fedsam-system'

/** One cluster a checkout. */
const NAME = `fedsam-${createHash('sha256').update(ROOT).digest('hex').slice(0, 6)}`

const say = (line: string): void => console.log(line)
const log = (line: string): void => void process.stderr.write(`${line}\n`)

async function up(): Promise<void> {
  const there = await findNode(NAME, log)
  if (there === undefined) log('starting a node')
  const node = there ?? (await startNode({ name: NAME, detached: true, log }))
  const images = await node.loadImages()
  log('installing the chart')
  await node.installChart({ namespace: SYSTEM, images })
  const job = await prepareExample(node, SYSTEM)
  for (const line of whatToTry(node, job)) say(line)
}

async function down(): Promise<void> {
  await stopMachine(NAME)
  say('the cluster is gone')
}

async function status(): Promise<void> {
  const node = await findNode(NAME)
  if (node === undefined) return say('no cluster of this checkout runs; npm run cluster starts one')
  say(`KUBECONFIG=${node.kubeconfig}`)
  say(await shown(node, ['get', 'nodes']))
  say(await shown(node, ['get', 'pods', '--all-namespaces']))
  say(await shown(node, ['get', 'federatedjobs', '--all-namespaces']))
}

function shown(node: RunningNode, args: readonly string[]): Promise<string> {
  return node.kubectl(args).catch((error: Error) => error.message)
}

const COMMANDS: Readonly<Record<string, () => Promise<void>>> = { up, down, status }

async function main(args: readonly string[]): Promise<void> {
  const command = args.length > 1 ? undefined : COMMANDS[args[0] ?? 'up']
  if (command === undefined)
    throw new FedsamError('InvalidJob', 'npm run cluster -- takes up, down or status', { remedy: '' })
  const why = whyNotThisSystem()
  if (why !== undefined)
    throw new FedsamError('RunFailed', `no cluster here: ${why}`, {
      remedy: 'CONTRIBUTING.md lists what a node needs',
    })
  await command()
}

await main(process.argv.slice(2)).catch((error: unknown) => {
  const { message, remedy } = error as Partial<FedsamError>
  log(remedy ? `${message}\n${remedy}` : String(message ?? error))
  process.exitCode = 1
})
