// Copies a base checkpoint from s3://bucket/prefix into a temporary folder, with the settings of the AWS tools (AWS_* variables,
// profiles, roles). A run copies the checkpoint into its record, so the folder is deleted with the process.
import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fetchS3Checkpoint } from '#transport/store/s3/checkpoint.ts'

/** The folder. Throws InvalidJob for text that is not an S3 address, CheckpointUnavailable where there is no checkpoint. */
export async function fetchToFolder(uri: string, log: (line: string) => void): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-checkpoint-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  await fetchS3Checkpoint({ uri, settings: {}, folder, log })
  return folder
}
