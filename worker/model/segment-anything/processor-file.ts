// The processor of a checkpoint folder: preprocessor_config.json, or the processor_config.json that newer versions write.
// Promises that it fits the model, whose input has one size.
import { join } from 'node:path'
import { FedsamError } from '#protocol/errors.ts'
import { readJsonFile } from './checkpoint.ts'
import type { SamConfig } from './config.ts'
import { type Processor, processorFrom } from './processor.ts'

/** Throws BadCheckpoint where neither file is there, one cannot be read, or it is another model's. */
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
  throw new FedsamError('BadCheckpoint', `${folder}: preprocessor_config.json is missing`, { remedy: REMEDY })
}

const REMEDY = 'Take the one that belongs to the checkpoint.'

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
