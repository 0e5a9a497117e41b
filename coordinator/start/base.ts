// Copies the base checkpoint of a run into the record once, under the digest of its list of files, and describes it for run.json.
// From then on the original address is not used any more: workers receive grants to read exactly these bytes.
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { encodeJson } from '#protocol/canonical.ts'
import { sha256 } from '#protocol/digest.ts'
import { FedsamError } from '#protocol/errors.ts'
import { baseKey } from '#protocol/keys.ts'
import type { RunRecord } from '#protocol/record.ts'
import type { ObjectStore } from '#transport/ports.ts'

/** The files of a checkpoint folder in Hugging Face's layout that a run uses. Other files in the folder are ignored. */
const CHECKPOINT_FILE =
  /^(config|preprocessor_config|processor_config|model\.safetensors\.index)\.json$|\.safetensors$/

type Base = NonNullable<RunRecord['base']>

/** The files of a checkpoint folder with their digests, as run.json pins them. Throws BadCheckpoint. */
export async function describeBase(base: { readonly uri: string; readonly folder: string }): Promise<Base> {
  const names = (await readdir(base.folder)).filter((name) => CHECKPOINT_FILE.test(name)).sort()
  if (!names.some((name) => name.endsWith('.safetensors'))) {
    throw new FedsamError('BadCheckpoint', `${base.uri} has no .safetensors file`, {
      remedy:
        "name a folder in Hugging Face's layout: config.json, preprocessor_config.json, model.safetensors",
    })
  }
  const files = await Promise.all(names.map((name) => describe(base.folder, name)))
  return { uri: base.uri, digest: sha256(encodeJson(files)), files }
}

/** Copies the files into the store. Existing objects are kept. */
export async function pinBase(store: ObjectStore, folder: string, { digest, files }: Base): Promise<void> {
  for (const { name, size } of files) {
    await store.write(baseKey(digest, name), size, createReadStream(join(folder, name)))
  }
}

async function describe(
  folder: string,
  name: string,
): Promise<{ name: string; size: number; sha256: string }> {
  const path = join(folder, name)
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path)) hash.update(chunk)
  return { name, size: (await stat(path)).size, sha256: hash.digest('hex') }
}
