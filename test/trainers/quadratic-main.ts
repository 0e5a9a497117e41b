// The quadratic trainer as a program on the seam: node quadratic-main.ts CLIENT SIZE [counts]
import { serveTrainer } from '#worker/trainer/serve.ts'
import { quadraticWork } from './quadratic.ts'

const [client = 'client', size = '1000', counts = ''] = process.argv.slice(2)
await serveTrainer(async () => quadraticWork({ client, size: Number(size), counts: counts === 'counts' }))
