// The processor of a checkpoint folder: preprocessor_config.json, or the processor_config.json that newer versions write.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { FedsamError } from '#protocol/errors.ts'
import { type Processor, processorFrom } from './processor.ts'

/** Throws BadCheckpoint where neither file is there, or one cannot be read. */
export async function readProcessor(folder: string): Promise<Processor> {
  for (const name of ['preprocessor_config.json', 'processor_config.json']) {
    const text = await readFile(join(folder, name), 'utf8').catch(() => undefined)
    if (text === undefined) continue
    try {
      return processorFrom(JSON.parse(text))
    } catch (cause) {
      if (!(cause instanceof SyntaxError)) throw cause
      throw new FedsamError('BadCheckpoint', `${join(folder, name)} is not JSON`, {
        cause,
        remedy: 'Fetch the checkpoint again.',
      })
    }
  }
  throw new FedsamError('BadCheckpoint', `${folder}: preprocessor_config.json is missing`, {
    remedy: 'Take the one that belongs to the checkpoint.',
  })
}
