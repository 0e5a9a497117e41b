// Writes the report of a run on this machine: gathers facts from the record and the data, and writes report.html into the output
// folder. A report never fails a run: in the place of a missing part it gives the reason.
import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { FedsamError } from '#protocol/errors.ts'
import type { CompleteFederatedJobSpec } from '#protocol/generated/federatedjob.ts'
import { outputKey } from '#protocol/keys.ts'
import type { ObjectStore } from '#transport/ports.ts'
import { openRecordFolder, recordFolder } from '../run/record-folder.ts'
import type { Comparison, Pictures } from './facts.ts'
import { reportPage } from './page.ts'
import { gatherRunFacts } from './record-facts.ts'

export interface ReportOptions {
  /** The run's output folder. */
  readonly output: string
  /** Its folders are those of this machine. */
  readonly spec: CompleteFederatedJobSpec
  /** Folder of the base checkpoint; null where the trainer has none. */
  readonly checkpoint: string | null
  /** Held-out images of every partition; empty where the trainer is a program of the user's. */
  readonly heldOut: readonly { readonly name: string; readonly stems: readonly string[] }[]
  readonly failure?: string
  readonly comparison?: Comparison
}

/** Writes the report. Resolves to its path, or to undefined for a run without a record. */
export async function writeReport(options: ReportOptions): Promise<string | undefined> {
  const { output, spec, failure, comparison } = options
  const record = await openRecordFolder(await recordFolder(output))
  const run = await gatherRunFacts(record, {
    rounds: spec.rounds,
    ...(failure === undefined ? {} : { failure }),
  })
  if (run === undefined) return undefined
  const pictures = await picturesOf(options, record)
  const file = join(output, 'report.html')
  // A rename, so that a reader sees the old report or the new one, never a part.
  const draft = `${file}.draft`
  await writeFile(draft, reportPage({ run, pictures, ...(comparison === undefined ? {} : { comparison }) }))
  await rename(draft, file)
  return file
}

async function picturesOf(options: ReportOptions, record: ObjectStore): Promise<Pictures> {
  const { spec, checkpoint, heldOut, output } = options
  if (spec.trainer.type !== 'SegmentAnything' || checkpoint === null) {
    return { absent: `The trainer is a ${spec.trainer.type}: what its data looks like is not known here.` }
  }
  const model = outputKey('model.safetensors')
  const size = await record.size(model)
  if (size === undefined) {
    return { absent: 'The run has no model yet; pictures come with it.' }
  }
  if (heldOut.every(({ stems }) => stems.length === 0)) return { absent: 'No image was held out.' }
  try {
    const cache = (partition: string): string => join(output, 'scratch', partition)
    // Imported late: the picture codecs are heavy, and only reports with pictures need them.
    const { gatherPictures } = await import('./pictures.ts')
    const trained = async (): Promise<Uint8Array> => (await record.get(model, { offset: 0, length: size }))!
    const sites = await gatherPictures({ spec, heldOut, checkpoint, trained, cache })
    return { sites, prompts: spec.trainer.segmentAnything!.prompts }
  } catch (error) {
    if (!(error instanceof FedsamError)) throw error
    return { absent: `There are no pictures: ${error.message}` }
  }
}
