// What no site could do alone: a trainer on the seam that has the data of several sites. Each call names the sites it is about.
// The same code as a site's own trainer: only whose images are put together differs. node trainer.ts SITES
import { readFile, writeFile } from 'node:fs/promises'
import { FedsamError } from '#protocol/errors.ts'
import { readSafetensors, writeSafetensors } from '#protocol/safetensors.ts'
import { evaluateSamples } from '#worker/trainer/evaluation.ts'
import { fitSamples } from '#worker/trainer/fitting.ts'
import { type OpenPartition, openPartition } from '#worker/trainer/segment-anything.ts'
import { serveTrainer, type TrainerWork } from '#worker/trainer/serve.ts'
import { readSettings } from '#worker/trainer/settings.ts'

/** The program's one argument, as JSON. `settings` are those of the site's own trainer; only data and cache differ. */
export interface SiteSettings {
  readonly name: string
  readonly settings: object
}

async function openSites(sites: readonly SiteSettings[]): Promise<TrainerWork> {
  const opened = new Map<string, OpenPartition>()
  const checked = sites.map(({ name, settings }) => ({
    name,
    settings: readSettings(JSON.stringify(settings)),
  }))
  for (const { name, settings } of checked) opened.set(name, await openPartition(settings))
  const [first] = opened.values()
  const { trainer } = checked[0]!.settings
  const { model, backend, names } = first!
  // Before anything is trained.
  const initial = writeSafetensors(model.getTensors(names))
  const named = (list: string | undefined): OpenPartition[] =>
    (list ?? '').split(',').map((name) => {
      const site = opened.get(name)
      if (site === undefined) throw new FedsamError('TrainerFailed', `there is no site ${name}`)
      return site
    })
  return {
    dataset: '',
    backend: backend.name,
    async getParameters(output) {
      await writeFile(output, initial)
    },
    async fit({ tensors, output, config }, report) {
      const samples = named(config.sites).flatMap(({ train }) => train)
      model.setTensors(readSafetensors(await readFile(tensors)))
      const epochs = Number(config.epochs)
      const metrics = await fitSamples(model, samples, {
        ...trainer,
        epochs,
        names,
        seed: config.seed ?? '',
        report,
      })
      await writeFile(output, writeSafetensors(model.getTensors(names)))
      return { num_examples: samples.length, metrics }
    },
    async evaluate({ tensors, config }, report) {
      model.setTensors(readSafetensors(await readFile(tensors)))
      const samples = named(config.sites).flatMap(({ heldOut }) => heldOut)
      return evaluateSamples(model, samples, { ...trainer, tf: backend.tf, report })
    },
  }
}

await serveTrainer(() => openSites(JSON.parse(process.argv[2] ?? '[]') as SiteSettings[]))
