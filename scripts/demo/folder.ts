// The demo's output folder: every demo deletes and recreates it, and deletes nothing that another program wrote.
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { FedsamError } from '#protocol/errors.ts'

const MARK = '.fedsam-demo'

/** An empty folder with the demo's mark. Throws OutputInUse where the folder holds other files. */
export async function freshFolder(folder: string): Promise<void> {
  const names: string[] = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw new FedsamError('OutputInUse', `${folder} cannot be used (${error.code})`, {
      remedy: 'name another folder with --output',
    })
  })
  if (names.length > 0 && !names.includes(MARK)) {
    throw new FedsamError('OutputInUse', `${folder} is not empty and was not made by a demo`, {
      remedy: 'move it away, or name another folder with --output',
    })
  }
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  await writeFile(
    join(folder, MARK),
    'Made by npm run demo, which removes this folder when it starts again.\n',
  )
}
