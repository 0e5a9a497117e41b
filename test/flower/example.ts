// The numpy example as its users run it: `fedsam run` on the job file, with a Python that finds the package; and what its
// record holds after each round.
import { readFile } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import { readSafetensors } from '#protocol/safetensors.ts'
import type { Tensor } from '#protocol/tensors.ts'
import { ensurePython, PYTHON_PACKAGE, TEST_PACKAGES } from '#scripts/python.ts'
import { type Ended, ROOT, startFedsam } from '../cli/fedsam.ts'

/** An environment in which python3 is one that has numpy, and finds fedsam_client. */
export async function pythonEnvironment(): Promise<Record<string, string>> {
  const python = await ensurePython(TEST_PACKAGES)
  return {
    PATH: `${dirname(python)}${delimiter}${process.env.PATH}`,
    PYTHONPATH: PYTHON_PACKAGE,
    PYTHONDONTWRITEBYTECODE: '1',
  }
}

/** Runs examples/flower-numpy/job.yaml into a folder. */
export async function runExample(output: string, ...args: string[]): Promise<Ended> {
  const job = join(ROOT, 'examples/flower-numpy/job.yaml')
  const env = await pythonEnvironment()
  return startFedsam(ROOT, ['run', job, '--output', output, ...args], { env })
}

/** The global model after a round; `record` is the run's prefix as a folder. */
export async function modelAfter(record: string, round: number): Promise<readonly Tensor[]> {
  const result = JSON.parse(await readFile(join(record, `rounds/${round}/result.json`), 'utf8')) as {
    model: { key: string }
  }
  return readSafetensors(await readFile(join(record, result.model.key)))
}
