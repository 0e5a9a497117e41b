// The environment and the command line of a partition's trainer on this machine.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { completeSpec } from '#protocol/defaults.ts'
import { trainerCommand } from './trainer-command.ts'

type Written = Parameters<typeof completeSpec>[0]
const PARTITIONS = [
  { name: 'before', dataset: { root: '/data/before' } },
  { name: 'a', dataset: { root: '/data/a' } },
]
const FILES = { checkpoint: '/models/sam', initialParameters: '', resumeFrom: '' }
const INHERITED = { PATH: '/bin', FEDSAM_CLIENT: 'of the shell' }

function commandOf(trainer: object, env: Record<string, string> = INHERITED) {
  const spec = completeSpec({ trainer, partitions: PARTITIONS } as Written)
  return trainerCommand({ spec, folder: '/job', files: FILES, env }, 'a', '/scratch')
}

const command = (env: object[]) => ({ type: 'Command', command: { command: ['./train'], env } })

test("a user's program gets the inherited variables, its partition, and its own variables last", () => {
  const { env, cwd } = commandOf(
    command([{ name: 'EPOCHS', value: '2' }, { name: 'PATH', value: '/own' }, { name: 'EMPTY' }]),
  )
  const { FEDSAM_DATASET, ...rest } = env
  assert.deepEqual(rest, {
    ...{ PATH: '/own', FEDSAM_CLIENT: 'a', EPOCHS: '2', EMPTY: '' },
    ...{ FEDSAM_PARTITION_ID: '1', FEDSAM_NUM_PARTITIONS: '2' },
  })
  assert.equal(JSON.parse(FEDSAM_DATASET!).root, '/data/a')
  assert.equal(cwd, '/job')
})

test('the built-in trainer gets the inherited variables, and a name for messages', () => {
  const checkpoint = { uri: 'models/sam' }
  const { env, name } = commandOf({ type: 'SegmentAnything', segmentAnything: { checkpoint } })
  assert.deepEqual(env, INHERITED)
  assert.equal(name, 'SegmentAnything')
})

test('a variable that a pod reads from a Secret comes from the environment here, and is required', () => {
  const secret = command([{ name: 'KEY', valueFrom: { secretKeyRef: { name: 's', key: 'k' } } }])
  assert.equal(commandOf(secret, { KEY: 'passed' }).env.KEY, 'passed')
  assert.throws(() => commandOf(secret, {}), {
    code: 'InvalidJob',
    message: /spec\.trainer\.command\.env\[KEY\]: valueFrom needs a cluster/,
    remedy: 'export KEY and add --pass-env KEY',
  })
})
