// A worker in a process of its own that can end itself at any of its writes: node worker.ts ORDERS
import { subjectPrefix } from '#protocol/messages.ts'
import { systemClock } from '#runtime/clock.ts'
import { connectNats } from '#transport/bus/nats/bus.ts'
import { createGrantedTransfers } from '#transport/grants/transfers.ts'
import { serveRun } from '#worker/network/client.ts'
import { recordingTransfers } from '../../faults/recording-store.ts'
import { signing } from '../../given/signed.ts'
import { adds } from '../../programs/exchanges.ts'
import { inProcessTrainer } from '../../trainers/in-process.ts'
import { quadraticWork } from '../../trainers/quadratic.ts'
import { ANSWER_SECONDS, fixedSettings, type Orders, obey, SIZE, trainerOf } from './job.ts'

const orders = JSON.parse(process.argv[2]!) as Orders
const client = orders.client!
const { namespace, uid } = fixedSettings(orders.uid)
await serveRun({
  client,
  ...signing(),
  incarnation: `${client}-${process.pid}`,
  prefix: subjectPrefix(namespace, uid),
  bus: await connectNats({ url: orders.nats }),
  transfers: recordingTransfers(createGrantedTransfers(), obey(orders)),
  trainer: inProcessTrainer(
    orders.isProgram ? adds(client) : quadraticWork({ client, size: SIZE, ...trainerOf(orders.source) }),
  ),
  clock: systemClock(),
  folder: orders.scratch,
  answerSeconds: ANSWER_SECONDS,
  silenceSeconds: 60,
  log: () => {},
  signal: new AbortController().signal,
})
process.exit(0)
