// The quadratic trainer of the client that FEDSAM_CLIENT names, at a pace that leaves time to break things: node paced-main.ts SIZE MS
import { setTimeout as sleep } from 'node:timers/promises'
import { serveTrainer } from '#worker/trainer/serve.ts'
import { quadraticWork } from './quadratic.ts'

const [size = '1000', milliseconds = '0'] = process.argv.slice(2)
const client = process.env.FEDSAM_CLIENT ?? 'client'
await serveTrainer(async () =>
  quadraticWork({
    client,
    size: Number(size),
    before: (call) => (call === 'fit' ? sleep(Number(milliseconds)) : undefined),
  }),
)
