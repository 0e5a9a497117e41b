import { createInProcessBus } from '#transport/bus/in-process/bus.ts'
import { messageBusConformance } from './message-bus.ts'

messageBusConformance('in process', async () => {
  const errors: unknown[] = []
  const bus = createInProcessBus({ onError: (error) => errors.push(error) })
  return { connect: async () => bus, errors, close: () => bus.close() }
})
