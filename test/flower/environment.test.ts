// A trainer's bytes and its environment do not depend on the shell that starts a run: numpy computes the same model under every
// setting of OpenBLAS, OpenMP and MKL in the shell, and a client sees no secret.
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { sha256 } from '#protocol/digest.ts'
import { startFedsam } from '../cli/fedsam.ts'
import { pythonEnvironment } from './example.ts'

/** A client whose parameters depend on every switch of OpenBLAS: sums of products, in the order of its kernel. */
const CLIENT = `
import json, os
import numpy as np

class Client:
    def __init__(self, client, root):
        with open(os.path.join(root, f"{client}.json"), "w") as file:
            json.dump(dict(os.environ), file)

    def get_parameters(self, config):
        return [np.random.default_rng(1).standard_normal((257, 257)).astype(np.float32)]

    def fit(self, parameters, config):
        return [np.tanh(parameters[0] @ parameters[0].T)], 10, {}

    def evaluate(self, parameters, config):
        return float(np.mean(parameters[0])), 10, {}
`

const SHELLS: Readonly<Record<string, Record<string, string>>> = {
  plain: {},
  haswell: { OPENBLAS_CORETYPE: 'Haswell', OMP_NUM_THREADS: '1', MKL_CBWR: 'COMPATIBLE' },
  prescott: { OPENBLAS_CORETYPE: 'Prescott', OPENBLAS_NUM_THREADS: '2', NUMEXPR_MAX_THREADS: '3' },
}
const SECRETS = { AWS_SECRET_ACCESS_KEY: 'a secret', HF_TOKEN: 'a secret', NVIDIA_API_KEY: 'a secret' }

let folder: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fedsam-shell-'))
  await writeFile(join(folder, 'client.py'), CLIENT)
})
after(() => rm(folder, { recursive: true, force: true }))

async function run(shell: string, args: readonly string[] = []): Promise<string> {
  const job = {
    apiVersion: 'fedsam.dev/v1alpha1',
    kind: 'FederatedJob',
    metadata: { name: 'shell' },
    spec: {
      rounds: 2,
      round: { settleSeconds: 0 },
      trainer: {
        type: 'Command',
        command: {
          command: ['python3', '-m', 'fedsam_client', 'client:Client'],
          args: ['--arg', `root=${folder}`],
        },
      },
      partitions: [{ name: 'a' }, { name: 'b' }],
    },
  }
  await writeFile(join(folder, 'job.yaml'), JSON.stringify(job))
  const env = { ...(await pythonEnvironment()), ...SECRETS, ...SHELLS[shell] }
  const ended = await startFedsam(folder, ['run', 'job.yaml', '--output', shell, ...args], { env })
  assert.equal(ended.code, 0, ended.stdout + ended.stderr)
  return sha256(await readFile(join(folder, shell, 'output', 'model.safetensors')))
}

test('variables of the shell for numerical libraries do not change the bytes of the model', async () => {
  const models = new Set<string>()
  for (const shell of Object.keys(SHELLS)) models.add(await run(shell))
  assert.equal(models.size, 1)
})

test('a client sees no secret but one that --pass-env names', async () => {
  await run('passed', ['--pass-env', 'HF_TOKEN'])
  const seen = JSON.parse(await readFile(join(folder, 'a.json'), 'utf8')) as Record<string, string>
  assert.deepEqual(
    Object.keys(seen).filter((name) => seen[name] === 'a secret'),
    ['HF_TOKEN'],
  )
  assert.equal(seen.FEDSAM_CLIENT, 'a')
  assert.ok(seen.PATH)
})
