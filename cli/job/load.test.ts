// A wrong job file gives the exact text of the message; a correct one gives the complete job.
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { SPEC_SCHEMA } from '#protocol/defaults.ts'
import { FedsamError } from '#protocol/errors.ts'
import { loadJob } from './load.ts'
import { resolveLocalPaths } from './paths.ts'

const FOLDER = await mkdtemp(join(tmpdir(), 'fedsam-job-'))
after(() => rm(FOLDER, { recursive: true }))

const HEAD = 'apiVersion: fedsam.dev/v1alpha1\nkind: FederatedJob\nmetadata: {name: job}\nspec:\n'
const PAIR = '  partitions: [{name: a}, {name: b}]\n'

async function written(text: string): Promise<string> {
  const file = join(FOLDER, 'job.yaml')
  await writeFile(file, text)
  return file
}

/** The error's text with the file's folder left out. */
async function refusal(text: string, sets: readonly string[] = []): Promise<string> {
  const file = await written(text)
  const error: unknown = await loadJob(file, sets).catch((cause) => cause)
  assert.ok(error instanceof FedsamError && error.code === 'InvalidJob', String(error))
  return error.message.replaceAll(`${FOLDER}/`, '')
}

interface Refusal {
  readonly given: string
  readonly text: string
  readonly sets?: readonly string[]
  readonly says: string
}

const STRATEGIES = SPEC_SCHEMA.properties?.strategy?.properties?.type?.enum?.join(', ')
const START = 'write a job: apiVersion, kind, metadata and spec'

const REFUSALS: readonly Refusal[] = [
  {
    given: 'an unknown field',
    text: `${HEAD}  round: {deadlineSecond: 3}\n${PAIR}`,
    says: 'job.yaml:5: spec.round.deadlineSecond: is not a field; did you mean spec.round.deadlineSeconds?',
  },
  {
    given: 'an unknown field unlike any other',
    text: `${HEAD}  output: {colour: red}\n${PAIR}`,
    says: 'job.yaml:5: spec.output.colour: is not a field; remove it, or use one of fullCheckpoint, retention',
  },
  {
    given: 'a wrong type',
    text: `${HEAD}  rounds: three\n${PAIR}`,
    says: 'job.yaml:5: spec.rounds: is "three"; write an integer from 1 to 100000',
  },
  {
    given: 'a number in quotes',
    text: `${HEAD}${PAIR}  trainer:\n    segmentAnything:\n      learningRate: "1e-5"\n`,
    says: 'job.yaml:8: spec.trainer.segmentAnything.learningRate: is "1e-5"; write a number above 0 and at most 1000',
  },
  {
    given: 'an object where a list belongs',
    text: `${HEAD}  partitions: {name: a}\n`,
    says: 'job.yaml:5: spec.partitions: is an object; write a list',
  },
  {
    given: 'a number out of range',
    text: `${HEAD}${PAIR}  strategy: {fractionFit: 1.5}\n`,
    says: 'job.yaml:6: spec.strategy.fractionFit: is 1.5; write a number from 0 to 1',
  },
  {
    given: 'a number at a bound that is left out',
    text: `${HEAD}${PAIR}  trainer: {segmentAnything: {learningRate: 0}}\n  strategy: {type: FedAvgM, fedAvgM: {serverMomentum: 1}}\n`,
    says: [
      'job.yaml:6: spec.trainer.segmentAnything.learningRate: is 0; write a number above 0 and at most 1000',
      'job.yaml:7: spec.strategy.fedAvgM.serverMomentum: is 1; write a number of at least 0 and below 1',
    ].join('\n'),
  },
  {
    given: 'a bad job name',
    text: `${HEAD.replace('name: job', 'name: Brain_Tissue')}${PAIR}`,
    says: `job.yaml:3: metadata.name: is "Brain_Tissue"; write a DNS label: lower-case letters, digits and '-', with a letter or a digit at both ends`,
  },
  {
    given: 'no job name',
    text: `${HEAD.replace('{name: job}', '{}')}${PAIR}`,
    says: 'job.yaml:3: metadata.name: is missing; add it',
  },
  {
    given: 'a bad partition name',
    text: `${HEAD}  partitions:\n    - name: a\n    - name: Site B\n`,
    says: `job.yaml:7: spec.partitions[1].name: is "Site B"; write a DNS label: lower-case letters, digits and '-', with a letter or a digit at both ends`,
  },
  {
    given: 'a partition twice',
    text: `${HEAD}  partitions:\n    - name: a\n    - name: a\n`,
    says: 'job.yaml:7: spec.partitions[1].name: is "a" a second time; rename it',
  },
  {
    given: 'an empty item',
    text: `${HEAD}  partitions:\n    - name: a\n    -\n`,
    says: 'job.yaml:7: spec.partitions[1]: is empty; write an object or remove it',
  },
  {
    given: 'no partitions',
    text: `${HEAD}  rounds: 3\n`,
    says: 'job.yaml:4: spec.partitions: is missing; add it',
  },
  {
    given: 'minFitClients above the partitions',
    text: `${HEAD}${PAIR}  strategy:\n    minFitClients: 4\n`,
    says: 'job.yaml:7: spec.strategy.minFitClients: 4 is above the number of partitions that train; lower it or add partitions',
  },
  {
    given: 'an unknown strategy',
    text: `${HEAD}${PAIR}  strategy: {type: FedSGD}\n`,
    says: `job.yaml:6: spec.strategy.type: is "FedSGD"; write one of ${STRATEGIES}`,
  },
  {
    given: 'a misspelt strategy',
    text: `${HEAD}${PAIR}  strategy: {type: fedadm}\n`,
    says: `job.yaml:6: spec.strategy.type: is "fedadm"; did you mean FedAdam? It is one of ${STRATEGIES}`,
  },
  {
    given: 'what is not YAML',
    text: `${HEAD}${PAIR}  strategy: {type: FedAvg\n`,
    says: 'job.yaml:7: is not YAML: Flow map in block collection must be sufficiently indented and end with a }; correct it',
  },
  {
    given: 'a field twice',
    text: `${HEAD}${PAIR}  rounds: 3\n  rounds: 4\n`,
    says: 'job.yaml:7: has the key rounds twice; remove one of them',
  },
  {
    given: 'two documents',
    text: `${HEAD}${PAIR}---\n${HEAD}${PAIR}`,
    says: 'job.yaml:7: holds 2 documents; put each job into a file of its own',
  },
  { given: 'an empty file', text: '# nothing yet\n', says: `job.yaml: is empty; ${START}` },
  { given: 'a word', text: 'job\n', says: `job.yaml:1: is not an object; ${START}` },
  {
    given: 'another kind',
    text: `${HEAD.replace('FederatedJob', 'Job')}${PAIR}`,
    says: 'job.yaml:2: kind: is "Job"; write kind: FederatedJob',
  },
  {
    given: 'another version, and no kind',
    text: 'apiVersion: fedsam.dev/v1\n',
    says: [
      'job.yaml:1: apiVersion: is "fedsam.dev/v1"; write apiVersion: fedsam.dev/v1alpha1',
      'job.yaml:1: kind: is missing; write kind: FederatedJob',
    ].join('\n'),
  },
  {
    given: '--set with an unknown path',
    text: HEAD + PAIR,
    sets: ['strategy.minFit=1'],
    says: '--set strategy.minFit=1: spec.strategy.minFit: is not a field; remove it, or use one of type, program, minFitClients, minAvailableClients, fractionFit, fractionEvaluate, clipNorm, clientState, clientStateBytes, fedAvgM, fedAdam, fedYogi, fedAdagrad, fedTrimmedAvg, krum, multiKrum',
  },
  {
    given: '--set with bad paths and values',
    text: HEAD + PAIR,
    sets: [
      'rounds',
      'spec..rounds=3',
      'partitions[3].name=d',
      'partitions.name=d',
      'partitions[0].name.x=d',
      'seed=[1',
    ],
    says: [
      '--set rounds: is not path=value; write for example rounds=3 or partitions[0].dataset.root=data/a',
      '--set spec..rounds=3: is not path=value; write for example rounds=3 or partitions[0].dataset.root=data/a',
      '--set partitions[3].name=d: spec.partitions has 2 items; use an index from 0 to 2',
      '--set partitions.name=d: spec.partitions is a list; write spec.partitions[0].name',
      '--set partitions[0].name.x=d: spec.partitions[0].name is not an object; it has no field x',
      '--set seed=[1: its value is not YAML: Flow sequence must end with a ]; correct it',
    ].join('\n'),
  },
  {
    given: '--set with a bad value',
    text: HEAD + PAIR,
    sets: ['rounds=5', 'rounds=0'],
    says: '--set rounds=0: spec.rounds: is 0; write an integer from 1 to 100000',
  },
  {
    given: 'an integer that a double cannot hold',
    text: `${HEAD}  seed: 9_007_199_254_740_993\n${PAIR}`,
    sets: ['rounds=18446744073709551617', 'trainer.segmentAnything.learningRate=-9007199254740993'],
    says: [
      'job.yaml:5: spec.seed: is 9007199254740993; write an integer from 0 to 9007199254740991',
      '--set rounds=18446744073709551617: spec.rounds: is 18446744073709551617; write an integer from 1 to 100000',
      '--set trainer.segmentAnything.learningRate=-9007199254740993: spec.trainer.segmentAnything.learningRate: is -9007199254740993; write a number above 0 and at most 1000',
    ].join('\n'),
  },
  {
    given: 'such an integer where the schema leaves the value open',
    text: `${HEAD}  workers: {template: {spec: {x: [9007199254740993]}}}\n${PAIR}`,
    says: 'job.yaml:5: spec.workers.template.spec.x[0]: is 9007199254740993; write a number from -9007199254740991 to 9007199254740991, or put it in quotes',
  },
  {
    given: 'an address with a user and a password, which is not shown',
    text: `${HEAD}  messaging: {nats: {url: "tls://user:secret@nats:4222"}}\n  storage: {s3: {endpoint: "ftp://user:secret@store"}}\n${PAIR}`,
    says: [
      'job.yaml:6: spec.storage.s3.endpoint: is "ftp://…@store"; write nothing, or a URL that begins with http:// or https://',
      'job.yaml:6: spec.storage.s3.endpoint: has a user or a password in its address; remove them, and name a Secret in credentialsSecretName',
      'job.yaml:5: spec.messaging.nats.url: has a user or a password in its address; remove them, and name a Secret in credentialsSecretName',
    ].join('\n'),
  },
  {
    given: 'a version that is a number',
    text: 'apiVersion: 9007199254740993\nkind: FederatedJob\n',
    says: 'job.yaml:1: apiVersion: is 9007199254740993; write apiVersion: fedsam.dev/v1alpha1',
  },
  ...['toString', 'constructor', 'valueOf', 'hasOwnProperty', 'prototype'].flatMap((name): Refusal[] => [
    {
      given: `the field ${name}`,
      text: `${HEAD}  output: {retention: {${name}: {x: 1}}}\n${PAIR}`,
      says: `job.yaml:5: spec.output.retention.${name}: is not a field; remove it, or use one of rounds`,
    },
    {
      given: `--set of ${name}`,
      text: HEAD + PAIR,
      sets: [`output.retention.${name}=1`, `output.${name}.${name}=1`],
      says: [
        `--set output.retention.${name}=1: spec.output.retention.${name}: is not a field; remove it, or use one of rounds`,
        `--set output.${name}.${name}=1: spec.output.${name}: is not a field; remove it, or use one of fullCheckpoint, retention`,
      ].join('\n'),
    },
  ]),
  {
    given: '__proto__',
    text: HEAD + PAIR,
    sets: ['__proto__=1', 'output.__proto__.x=1', 'output={__proto__: {x: 1}}'],
    says: [
      '--set __proto__=1: spec.__proto__: is not a field; remove it',
      '--set output.__proto__.x=1: spec.output.__proto__.x: is not a field; remove it',
      '--set output={__proto__: {x: 1}}: its value has the key __proto__, which is not a field; remove it',
    ].join('\n'),
  },
  {
    given: 'many problems at once',
    text: `${HEAD}  rounds: -1\n  strategy: {type: 3, minFitClients: 3}\n  seeds: 1\n${PAIR}`,
    says: [
      'job.yaml:5: spec.rounds: is -1; write an integer from 1 to 100000',
      `job.yaml:6: spec.strategy.type: is 3; write one of ${STRATEGIES}`,
      'job.yaml:7: spec.seeds: is not a field; did you mean spec.seed?',
      'job.yaml:6: spec.strategy.minFitClients: 3 is above the number of partitions that train; lower it or add partitions',
    ].join('\n'),
  },
]

for (const { given, text, sets, says } of REFUSALS) {
  test(`${given} is rejected`, async () => assert.equal(await refusal(text, sets), says))
}

test('an unreadable file is named', async () => {
  const message = async (file: string) =>
    ((await loadJob(file).catch((error) => error)) as FedsamError).message
  assert.equal(
    await message('absent.yaml'),
    "absent.yaml: cannot be read: no such file; name a FederatedJob's YAML file",
  )
  assert.equal(
    await message(FOLDER),
    `${FOLDER}: cannot be read: it is a folder; name a FederatedJob's YAML file`,
  )
})

test('--set reads a value as the file does', async () => {
  const file = await written(HEAD + PAIR)
  const sets = ['rounds=010', 'suspend=yes', 'partitions[0].dataset.labels=[0x10, 1_0]', 'seed=0o17']
  const { spec } = await loadJob(file, sets)
  assert.deepEqual([spec.rounds, spec.suspend, spec.seed], [8, true, 15])
  assert.deepEqual(spec.partitions[0]?.dataset.labels, [16, 10])
})

test('names of JavaScript properties are plain keys in maps of the user', async () => {
  const program = 'type: Command, command: {command: [train]}'
  const text = `${HEAD}  trainer: {${program}, config: {toString: a, constructor: b}}\n${PAIR}`
  const { spec } = await loadJob(await written(text))
  assert.deepEqual(Object.entries(spec.trainer.config), [
    ['toString', 'a'],
    ['constructor', 'b'],
  ])
})

test('an endless job file is read only up to the limit of a job', async () => {
  const error: unknown = await loadJob('/dev/zero').catch((cause) => cause)
  assert.ok(error instanceof FedsamError)
  assert.match(
    error.message,
    /^\/dev\/zero: is larger than 1.5 MiB, the most that a cluster stores; make it smaller$/,
  )
})

test('--set changes fields, list items and absent objects, and accepts YAML', async () => {
  const sets = [
    'rounds=3',
    'spec.round.graceSeconds=null',
    'partitions[1].dataset.labels=[2, 3]',
    'partitions[2]={name: c}',
    'metadata.name=other',
  ]
  const { name, spec } = await loadJob(await written(HEAD + PAIR), sets)
  assert.equal(name, 'other')
  assert.equal(spec.rounds, 3)
  assert.equal(spec.round.graceSeconds, null)
  assert.deepEqual(
    spec.partitions.map((partition) => [partition.name, partition.dataset.labels]),
    [
      ['a', []],
      ['b', [2, 3]],
      ['c', []],
    ],
  )
})

test('a job that kubectl exports from a cluster is a valid job file', async () => {
  const text = `${HEAD.replace('{name: job}', '{name: job, namespace: team-a, uid: 6f3a, labels: {a: b}}')}${PAIR}status: {observedGeneration: 1}\n`
  assert.equal((await loadJob(await written(text))).namespace, 'team-a')
})

test('the example is valid, and its folders are beside it', async () => {
  const examples = fileURLToPath(new URL('../../examples', import.meta.url))
  const job = await loadJob(join(examples, 'brain-tissue.yaml'))
  assert.equal(job.name, 'brain-tissue')
  assert.equal(
    job.spec.partitions[0]?.dataset.root,
    'data/brain-tissue/axial',
    'the job keeps what was written',
  )
  const spec = resolveLocalPaths(job)
  assert.equal(spec.trainer.segmentAnything?.checkpoint.uri, resolve(examples, 'models/sam-tiny-scenes'))
  assert.equal(spec.trainer.segmentAnything?.learningRate, 1e-3)
  assert.deepEqual(
    spec.partitions.map(({ dataset }) => dataset.root),
    ['axial', 'coronal', 'sagittal'].map((site) => resolve(examples, 'data/brain-tissue', site)),
  )
})

test('an address with a scheme, and an absent value, are not local paths', async () => {
  const text = `${HEAD}${PAIR}  resumeFrom: {prefix: runs/one, round: 2}\n`
  const spec = resolveLocalPaths(await loadJob(await written(text)))
  assert.equal(spec.trainer.segmentAnything?.checkpoint.uri, 'hf://facebook/sam-vit-base')
  assert.equal(spec.model.initialParameters, '')
  assert.equal(spec.resumeFrom?.prefix, join(FOLDER, 'runs/one'))
})

test('a key of two sites is refused at its line, with the name of the other; hostile values are no keys', async () => {
  const [one, two] = ['1'.repeat(64), '2'.repeat(64)]
  const site = (name: string, key: string) => `    - {name: ${name}, external: {publicKey: "${key}"}}\n`
  const partitions = (...lines: string[]) => `${HEAD}  partitions:\n${lines.join('')}`
  await loadJob(await written(partitions(site('a', one), site('b', two))))
  const shared = await written(partitions(site('a', one), site('b', two), site('c', one)))
  const message =
    /spec\.partitions\[2\]\.external\.publicKey: is the key of partition a too, .*; give each site its own key$/
  await assert.rejects(loadJob(shared), { code: 'InvalidJob', message })
  const strange = ['[1]', '{a: 1}', 'null', '""', `"${'A'.repeat(64)}"`]
  for (const key of strange) {
    const lines = ['a', 'b'].map((name) => `    - {name: ${name}, external: {publicKey: ${key}}}\n`)
    await assert.rejects(loadJob(await written(partitions(...lines))), {
      code: 'InvalidJob',
      message: /spec\.partitions\[0\]\.external\.publicKey: /,
    })
  }
})
