// What the federated model is compared with, measured alike: models trained on one site or on all sites' images in one place,
// each evaluated on every site. The work is shared by trainers in processes of their own, one a core.
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { FedsamError } from '#protocol/errors.ts'
import { systemClock } from '#runtime/clock.ts'
import { childTrainer } from '#worker/trainer/process-trainer.ts'
import type { Trainer } from '#worker/trainer/seam.ts'
import type { SiteSettings } from './trainer.ts'

const PROGRAM = fileURLToPath(new URL('trainer.ts', import.meta.url))

/** A model to measure: a file of parameters, or one to be trained from the checkpoint on the images of some sites. */
export interface Candidate {
  readonly name: string
  readonly from: { readonly file: string } | { readonly trainedOn: readonly string[] } | 'Checkpoint'
}

export interface Measured {
  readonly name: string
  /** Mean Dice on the held-out images of each site, in the order of the sites. */
  readonly dice: readonly number[]
}

export interface MeasureOptions {
  readonly sites: readonly SiteSettings[]
  readonly epochs: number
  readonly seed: string
  /** For parameters; made if absent. */
  readonly scratch: string
  readonly processes: number
  readonly env: Readonly<Record<string, string>>
  readonly log: (line: string) => void
  /** What each trainer is at. */
  readonly progress: (doing: readonly string[]) => void
  readonly measured: (name: string, dice: readonly number[], seconds: number) => void
  readonly signal: AbortSignal
}

interface Lane {
  readonly trainer: Trainer
  readonly scratch: string
  doing: string
}

/** Measures every candidate; the order of the answer is theirs. Throws TrainerFailed, Interrupted. */
export async function measureCandidates(
  candidates: readonly Candidate[],
  options: MeasureOptions,
): Promise<Measured[]> {
  const clock = systemClock()
  const lanes = await Promise.all(
    Array.from({ length: Math.min(options.processes, candidates.length) }, (_, i) => openLane(i, options)),
  )
  const stop = (): void => lanes.forEach(({ trainer }) => void trainer.cancel())
  options.signal.addEventListener('abort', stop)
  const ticking = setInterval(() => options.progress(lanes.flatMap(doingOf)), 500)
  // The longest first, so that no process is left with it at the end.
  const waiting = candidates.toSorted((a, b) => work(b) - work(a))
  const found = new Map<Candidate, Measured>()
  try {
    const results = await Promise.allSettled(
      lanes.map(async (lane) => {
        for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
          const began = clock.now()
          const dice = await measure(lane, next, options)
          found.set(next, { name: next.name, dice })
          options.measured(next.name, dice, clock.now() - began)
        }
      }),
    )
    if (options.signal.aborted)
      throw new FedsamError('Interrupted', 'the baselines were asked to stop', { remedy: 'start them again' })
    for (const result of results) if (result.status === 'rejected') throw result.reason
    return candidates.map((candidate) => found.get(candidate)!)
  } finally {
    clearInterval(ticking)
    options.signal.removeEventListener('abort', stop)
    await Promise.all(lanes.map(({ trainer }) => trainer.close()))
  }
}

async function openLane(index: number, { scratch, sites, env, log }: MeasureOptions): Promise<Lane> {
  const folder = join(scratch, `lane-${index}`)
  await mkdir(folder, { recursive: true })
  const trainer = childTrainer({
    command: [process.execPath, PROGRAM, JSON.stringify(sites)],
    env,
    cwd: folder,
    noProgressSeconds: 120,
    clock: systemClock(),
    log,
  })
  return { trainer, scratch: folder, doing: '' }
}

async function measure(
  lane: Lane,
  { name, from }: Candidate,
  { sites, epochs, seed }: MeasureOptions,
): Promise<number[]> {
  const { trainer, scratch } = lane
  lane.doing = name
  let file = join(scratch, 'checkpoint.safetensors')
  await trainer.getParameters(file)
  if (from !== 'Checkpoint') {
    if ('file' in from) file = from.file
    else {
      const trained = join(scratch, 'trained.safetensors')
      const sites = from.trainedOn.join(',')
      await trainer.fit(file, trained, {
        config: { sites, epochs: String(epochs), seed: `${seed}:${name}` },
      })
      file = trained
    }
  }
  const dice: number[] = []
  for (const site of sites) {
    const { metrics } = await trainer.evaluate(file, { config: { sites: site.name } })
    dice.push(metrics.dice!)
  }
  lane.doing = ''
  return dice
}

function doingOf({ trainer, doing }: Lane): string[] {
  const at = trainer.progress()
  return doing === '' ? [] : [at === null ? doing : `${doing} ${at.done}/${at.total}`]
}

function work({ from }: Candidate): number {
  return from !== 'Checkpoint' && 'trainedOn' in from ? from.trainedOn.length : 0
}
