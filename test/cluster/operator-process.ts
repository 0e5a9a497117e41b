// The operator as a program, for as long as a test needs it; it ends with the test's process too.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A folder with the seed of a key, as the chart's Secret is mounted. */
export function signingFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'fedsam-signing-'))
  writeFileSync(join(folder, 'seed'), new Uint8Array(32).fill(7))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** What it needs beside where the API server is: images of this tag, and free ports. */
const settings = (tag: string): Record<string, string> => ({
  FEDSAM_COORDINATOR_IMAGE: `image:${tag}`,
  FEDSAM_WORKER_IMAGE: `image:${tag}`,
  FEDSAM_WORKER_GPU_IMAGE: `image:${tag}`,
  FEDSAM_PROBE_PORT: '0',
  FEDSAM_METRICS_PORT: '0',
  FEDSAM_END_WITH_PARENT: 'true',
  FEDSAM_SIGNING_FOLDER: signingFolder(),
})

export interface OperatorRun {
  /** The checkout whose operator it is. */
  readonly root: string
  /** Of the images that it gives its pods. */
  readonly tag: string
  /** Beside this process's own; where the API server is, and as whom it asks. */
  readonly env: Readonly<Record<string, string>>
}

/** Runs the operator while `body` does, and waits for its end. */
export async function withOperatorProcess(
  { root, tag, env }: OperatorRun,
  body: () => Promise<void>,
): Promise<void> {
  const operator = spawn(process.execPath, ['operator/main.ts'], {
    cwd: root,
    env: { ...process.env, ...settings(tag), ...env },
    stdio: ['pipe', 'ignore', 'inherit'],
  })
  const exit = once(operator, 'exit')
  try {
    await body()
  } finally {
    operator.kill('SIGTERM')
    await exit
  }
}
