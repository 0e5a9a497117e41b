// The quadratic trainer of the client that FEDSAM_CLIENT names, at a pace that leaves time to break things:
// node paced-main.ts SIZE MILLISECONDS [GATES [counts]]. A fit takes the milliseconds; with the folder GATES, a fit of round R also waits
// until that folder has a file named R, or R-CLIENT for this client alone. With the word counts
// it keeps a state. It imports no file of the tests outside its own folder: a volume carries only that folder.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { serveTrainer } from '#worker/trainer/serve.ts'
import { quadraticWork } from './quadratic.ts'

const GATE_PAUSE_MS = 5

const [size = '1000', milliseconds = '0', gates = '', counts = ''] = process.argv.slice(2)
const client = process.env.FEDSAM_CLIENT ?? 'client'

async function pace(round: number): Promise<void> {
  await sleep(Number(milliseconds))
  const isOpen = (name: string): boolean => existsSync(join(gates, name))
  while (gates !== '' && !isOpen(`${round}`) && !isOpen(`${round}-${client}`)) await sleep(GATE_PAUSE_MS)
}

await serveTrainer(async () =>
  quadraticWork({
    client,
    size: Number(size),
    counts: counts === 'counts',
    before: (call, round) => (call === 'fit' ? pace(round) : undefined),
  }),
)
