// Reads the processor of a checkpoint folder: preprocessor_config.json, or the processor_config.json of newer versions.
// Guarantees that its image size is that of the model.
import { join } from 'node:path'
import { FedsamError } from '#protocol/errors.ts'
import { readJsonFile } from './checkpoint.ts'
import type { SamConfig } from './config.ts'
import { type Processor, processorFrom } from './processor.ts'

/** Throws BadCheckpoint if neither file exists, if one cannot be read, or if it belongs to another model. */
export async function readProcessor(folder: string, { vision }: SamConfig): Promise<Processor> {
  for (const name of ['preprocessor_config.json', 'processor_config.json']) {
    const path = join(folder, name)
    const text = await readJsonFile(path)
    if (text === undefined) continue
    const processor = processorFrom(parse(path, text))
    if (processor.side === vision.imageSize) return processor
    throw new FedsamError(
      'BadCheckpoint',
      `${path} makes images of ${processor.side} pixels, but config.json describes a model of ${vision.imageSize}`,
      { remedy: REMEDY },
    )
  }
  throw new FedsamError(
    'BadCheckpoint',
    `Checkpoint ${folder} cannot be used: preprocessor_config.json is missing.`,
    {
      remedy: REMEDY,
    },
  )
}

const REMEDY = 'Use the preprocessor_config.json that belongs to the checkpoint.'

function parse(path: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new FedsamError('BadCheckpoint', `${path} is not JSON`, {
      cause,
      remedy: 'Fetch the checkpoint again.',
    })
  }
}
