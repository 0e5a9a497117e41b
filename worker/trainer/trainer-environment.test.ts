// Which variables of a shell reach a trainer.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inheritedVariables, trainerEnvironment } from './trainer-environment.ts'

const asEnvironment = (names: readonly string[]) =>
  Object.fromEntries(names.map((name) => [name, `of ${name}`]))

const INHERITED = [
  ...['PATH', 'HOME', 'LANG', 'LC_ALL', 'LC_NUMERIC', 'TMPDIR', 'TZ', 'LD_LIBRARY_PATH'],
  ...['CUDA_VISIBLE_DEVICES', 'NVIDIA_VISIBLE_DEVICES', 'NVIDIA_TF32_OVERRIDE', 'CUDA_CACHE_PATH'],
  ...['PYTHONPATH', 'PYTHONHASHSEED', 'VIRTUAL_ENV', 'CONDA_PREFIX', 'HF_HOME'],
]

const SECRETS = [
  ...['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN', 'AWS_PROFILE', 'HF_TOKEN'],
  ...['KUBECONFIG', 'GITHUB_TOKEN', 'SSH_AUTH_SOCK', 'HTTPS_PROXY', 'https_proxy', 'DATABASE_URL'],
  ...[
    'NVIDIA_API_KEY',
    'CUDA_NGC_TOKEN',
    'PYTHON_KEYRING_PASSWORD',
    'PYTHON_INDEX_PASS',
    'NVIDIA_NGC_APIKEY',
  ],
  ...[
    'FEDSAM_NATS_URL',
    'FEDSAM_TOKEN_FILE',
    'FEDSAM_TRAINER',
    'npm_config__auth',
    'NODE_OPTIONS',
    'LD_PRELOAD',
  ],
]

const NUMERICAL = [
  ...['OPENBLAS_CORETYPE', 'OPENBLAS_NUM_THREADS', 'OMP_NUM_THREADS', 'MKL_CBWR', 'NVPL_NUM_THREADS'],
  ...['TF_ENABLE_ONEDNN_OPTS', 'NUMEXPR_MAX_THREADS', 'XLA_FLAGS', 'GOTO_NUM_THREADS', 'BLIS_NUM_THREADS'],
]

test('a trainer finds its programs, libraries, caches and devices', () => {
  const env = asEnvironment(INHERITED)
  assert.deepEqual(inheritedVariables(env), env)
})

test('no secret of the shell and no switch of a numerical library reaches a trainer', () => {
  assert.deepEqual(inheritedVariables(asEnvironment([...SECRETS, ...NUMERICAL])), {})
})

test('--pass-env passes any variable; an empty value is a value', () => {
  const env = { PATH: '/bin', HF_TOKEN: 'hf', WANDB_MODE: '', OTHER: 'x' }
  assert.deepEqual(trainerEnvironment(env, ['HF_TOKEN', 'WANDB_MODE']), {
    PATH: '/bin',
    HF_TOKEN: 'hf',
    WANDB_MODE: '',
  })
})

for (const [name, says] of [
  ['ABSENT', /--pass-env ABSENT: the variable is not set in this shell/],
  ['A=b', /--pass-env A=b: this is not the name/],
  ['A,B', /is not the name/],
  ['', /is not the name/],
] as const) {
  test(`--pass-env "${name}" is refused`, () => {
    assert.throws(() => trainerEnvironment({ A: '1', B: '2' }, [name]), { code: 'InvalidJob', message: says })
  })
}
