import { openWebSocketServer } from '#test/given/websocket-server.ts'
import type { MessageBus } from '#transport/ports.ts'
import { messageBusConformance } from './message-bus.ts'

messageBusConformance('NATS over a WebSocket', async () => {
  const server = await openWebSocketServer()
  const errors: unknown[] = []
  const buses: MessageBus[] = []
  const connect = async () => {
    const bus = await server.connect({ onError: (error) => errors.push(error) })
    buses.push(bus)
    return bus
  }
  return { connect, errors, close: () => server.close() }
})
