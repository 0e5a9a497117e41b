import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startNats } from '#cli/run/servers/servers.ts'
import { connectNats } from '#transport/bus/nats/bus.ts'
import type { MessageBus } from '#transport/ports.ts'
import { messageBusConformance } from './message-bus.ts'

messageBusConformance('NATS', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-nats-'))
  const server = await startNats({ folder, log: console.log })
  const errors: unknown[] = []
  const buses: MessageBus[] = []
  const connect = async () => {
    const bus = await connectNats({ url: server.url, onError: (error) => errors.push(error) })
    buses.push(bus)
    return bus
  }
  const close = async () => {
    await Promise.all(buses.map((bus) => bus.close()))
    await server.stop()
    await rm(folder, { recursive: true })
  }
  return { connect, errors, close }
})
