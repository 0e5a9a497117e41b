// Builds the parts that are missing, one after another, with a line at least every 20 seconds, and says what each took.
import { access, constants, mkdir } from 'node:fs/promises'
import type { FedsamError } from '#protocol/errors.ts'
import { spanText } from './estimates.ts'
import type { Log, Part } from './parts.ts'
import { watchSilence } from './progress.ts'

/** What still works without a part. */
const ELSEWHERE = '  npm test -- FOLDER runs the tests of a folder, and builds only the parts that they need'

/** A part that cannot be built. The message says what to do. */
export class PartFailed extends Error {
  override readonly name = 'PartFailed'
}

/** Throws PartFailed unless files can be written below the folder in which parts are kept. */
export async function requireWritable(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true })
    await access(folder, constants.W_OK)
  } catch (error) {
    throw new PartFailed(
      `nothing can be written to ${folder} (${(error as NodeJS.ErrnoException).code}), where the parts of the tests are built\n` +
        '  name another cache folder in XDG_CACHE_HOME',
      { cause: error },
    )
  }
}

/** Seconds of each build, by the part's name. A cached part is prepared too, for example linked into node_modules. */
export async function buildParts(parts: readonly Part[], log: Log): Promise<Record<string, number>> {
  const took: Record<string, number> = {}
  for (const part of parts) {
    const cached = await part.isCached()
    const began = performance.now()
    const seconds = (): number => (performance.now() - began) / 1000
    const silence = watchSilence(() => log(`still building ${part.name} (${spanText(seconds())})`))
    const heard = (line: string): void => {
      silence.broken()
      log(line)
    }
    await part
      .build(heard)
      .catch((error: Partial<FedsamError>) => {
        const remedy = error.remedy ? `\n  ${error.remedy}` : ''
        throw new PartFailed(
          `the tests need ${part.name}, which could not be built: ${error.message}${remedy}
${ELSEWHERE}`,
        )
      })
      .finally(() => silence.end())
    if (!cached) took[part.name] = Math.round(seconds())
  }
  return took
}
