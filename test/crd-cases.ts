// Accepting and rejecting jobs for every rule of the CRD, as data, so that the same cases run through the command line's
// evaluator and through a real API server. test/crd-rules.test.ts fails where a rule has no cases.

/** A job, as changes to the smallest valid one; with `old`, a change of a job that was stored as `old`. */
export interface JobCase {
  readonly name?: string
  readonly spec?: Readonly<Record<string, unknown>>
  readonly status?: Readonly<Record<string, unknown>>
  readonly old?: Omit<JobCase, 'old'>
}

/** The cases of one rule. */
export interface RuleCases {
  /** The field that the rule blames; "[]" is any index. */
  readonly at: string
  /** A part of the rule's message that no other rule for this field has. */
  readonly says: string
  readonly accepts: readonly JobCase[]
  readonly rejects: readonly JobCase[]
}

/** The object of a case. */
export function jobOf({ name = 'job', spec = {}, status }: JobCase): Readonly<Record<string, unknown>> {
  return {
    apiVersion: 'fedsam.dev/v1alpha1',
    kind: 'FederatedJob',
    metadata: { name },
    spec: { partitions: PAIR, ...spec },
    ...(status ? { status } : {}),
  }
}

const PAIR = [{ name: 'a' }, { name: 'b' }]
const TRIO = [...PAIR, { name: 'c' }]
const TRIO_OF_TWO = [...PAIR, { name: 'c', train: false }]
const NOTHING_OUT = PAIR.map((partition) => ({ ...partition, dataset: { heldOutFraction: 0 } }))
const TEN = Array.from({ length: 10 }, (_, i) => ({ name: `p${i}` }))
const S3 = { s3: { bucket: 'one' } }
const NATS = { nats: {} }
const OPEN_S3 = { s3: { publicEndpoint: 'https://fed.example.org' } }
const OPEN_NATS = { nats: { publicUrl: 'wss://fed.example.org/bus' } }
const KEY = 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a'
const BEST = { bestBy: { metric: 'dice' } }
const COMMAND = { type: 'Command', command: { command: ['./client'] } }
const RESUME = { prefix: 's3://bucket/run', round: 3 }
const TEXT_COCO = { layout: 'COCO', annotationsFile: 'instances.json' }

const stopOf = (metric: string, mode: 'Max' | 'Min') => ({ metric, mode, patience: 3 })

const stored = (s3: object) => ({ spec: { storage: { s3 } } })
const messaged = (nats: object) => ({ spec: { messaging: { nats } } })

/** One partition beside "b". */
const first = (partition: object) => ({ spec: { partitions: [{ name: 'a', ...partition }, { name: 'b' }] } })
const trainer = (fields: object) => ({ spec: { trainer: fields } })
const configured = (config: object) => trainer({ type: 'Command', command: { command: ['train'] }, config })
const strategy = (fields: object) => ({ spec: { strategy: fields } })
/** Ten partitions, so that the strategy alone is to blame. */
const many = (fields: object) => ({ spec: { partitions: TEN, strategy: fields } })

/** A job whose partition "a" is a site. */
const outside = (fields: object, spec: object = {}) => ({
  spec: { partitions: [{ name: 'a', external: { publicKey: KEY }, ...fields }, { name: 'b' }], ...spec },
})

/** A field that shapes a pod: only a partition that has one may set it. */
function besideExternal(field: string, value: unknown, empty?: unknown): RuleCases {
  return {
    at: `spec.partitions[].${field}`,
    says: 'is set beside external',
    accepts: [
      outside({}),
      outside(empty === undefined ? {} : { [field]: empty }),
      first({ [field]: value }),
      first({ [field]: value, external: null }),
    ],
    rejects: [outside({ [field]: value })],
  }
}

/** A field that never changes: both values are valid ones. */
function immutable(field: string, value: unknown, other: unknown): RuleCases {
  return {
    at: `spec.${field}`,
    says: 'cannot be changed',
    accepts: [{ spec: { [field]: value }, old: { spec: { [field]: value } } }, { spec: { [field]: other } }],
    rejects: [{ spec: { [field]: other }, old: { spec: { [field]: value } } }],
  }
}

/** A field that is either there from the beginning or never. */
function settled(field: string, value: unknown): RuleCases {
  return {
    at: `spec.${field}`,
    says: 'cannot be added or removed',
    accepts: [{ spec: { [field]: value }, old: { spec: { [field]: value } } }, { old: {} }],
    rejects: [
      { spec: { [field]: value }, old: {} },
      { spec: {}, old: { spec: { [field]: value } } },
    ],
  }
}

/** A Program needs a trainer that answers messages, and no number of clients. */
const ownStrategy = (type: string, fields: object): JobCase =>
  type === 'Program'
    ? { spec: { partitions: TEN, trainer: COMMAND, strategy: fields } }
    : many({ minFitClients: 5, ...fields })

/** A parameter object that belongs to one type of its union. */
function owned(union: 'strategy' | 'trainer', type: string, field: string, other: object): RuleCases {
  const value = field === 'command' || field === 'program' ? { command: ['run'] } : {}
  const given = (fields: object): JobCase =>
    union === 'strategy' ? ownStrategy(type, fields) : trainer(fields)
  return {
    at: `spec.${union}.${field}`,
    says: `is set, but type is another ${union}`,
    accepts: [given({ type, [field]: value })],
    rejects: [given({ ...other, [field]: value })],
  }
}

function uris(at: string, set: (uri: string) => JobCase): RuleCases[] {
  return [
    {
      at,
      says: 'has an unknown scheme',
      accepts: ['models/sam', '/models/sam', 'hf://a/b', 's3://bucket/sam'].map(set),
      rejects: ['https://example.org/sam', 'file:///models/sam'].map(set),
    },
    {
      at,
      says: 'is not of the form hf://',
      accepts: ['hf://facebook/sam-vit-base', 'hf://facebook/sam-vit-base@refs/pr/1'].map(set),
      rejects: ['hf://sam', 'hf://a/b/c', 'hf://a/b@', 'hf:///b'].map(set),
    },
    {
      at,
      says: 'is not of the form s3://',
      accepts: ['s3://bucket', 's3://bucket/deep/prefix'].map(set),
      rejects: ['s3://', 's3://B/x', 's3:///x'].map(set),
    },
  ]
}

/** Addresses of a service, and the same with a user in them. */
function addresses(at: string, good: readonly string[], set: (address: string) => JobCase): RuleCases {
  const withUser = (address: string): string[] =>
    ['user:password@', 'user@', ':p%40ss@', '/user:password@'].map((user) =>
      address.replace('://', `://${user}`),
    )
  return {
    at,
    says: 'has a user or a password',
    accepts: good.map(set),
    rejects: good
      .filter((address) => address !== '')
      .flatMap(withUser)
      .map(set),
  }
}

/** A job with a program as its strategy; one partition is enough for it. */
const programmed = (spec: object = {}, fields: object = {}): JobCase => ({
  spec: {
    partitions: [{ name: 'a' }],
    trainer: COMMAND,
    strategy: { type: 'Program', program: { command: ['./server'] }, ...fields },
    ...spec,
  },
})

/** A field that means nothing to a program. `good`: a job without one may set it. */
function notOfProgram(at: string, good: JobCase, bad: JobCase, accepted: JobCase = programmed()): RuleCases {
  return { at: `spec.${at}`, says: PROGRAM_SAYS[at]!, accepts: [accepted, good], rejects: [bad] }
}

const PROGRAM_SAYS: Readonly<Record<string, string>> = {
  rounds: 'a Program ends its run itself',
  'trainer.config': 'the messages bring the configuration',
  evaluation: 'the program itself evaluates and stops',
  resumeFrom: 'a Program chooses its first parameters itself',
  'model.initialParameters': 'the program chooses its first parameters itself',
  'round.quorum': 'the program itself says what is enough',
  'round.graceSeconds': 'the program itself says how long it waits',
  'round.maxExamples': 'so it knows no examples',
  'round.maxFailedRounds': 'never attempted again',
  'strategy.minFitClients': 'the program itself chooses the clients',
  'strategy.minAvailableClients': 'the program itself chooses the clients',
  'strategy.fractionFit': 'the program itself chooses the clients',
  'strategy.fractionEvaluate': 'the program itself chooses the clients',
  'strategy.clipNorm': 'so it cannot clip them',
}

/** Rules for a Program; `set` gives the value to a job of either kind. */
const PROGRAM_RULES: readonly RuleCases[] = [
  owned('strategy', 'Program', 'program', { type: 'FedAvg' }),
  {
    at: 'spec.strategy.program',
    says: 'names no program',
    accepts: [programmed()],
    rejects: [
      programmed({ strategy: { type: 'Program' } }),
      programmed({}, { program: {} }),
      programmed({}, { program: { command: [] } }),
    ],
  },
  {
    at: 'spec.trainer.type',
    says: 'answers no messages',
    accepts: [programmed(), { spec: {} }],
    rejects: [programmed({ trainer: {} }), programmed({ trainer: { type: 'SegmentAnything' } })],
  },
  notOfProgram('rounds', { spec: { rounds: 3 } }, programmed({ rounds: 1 }), programmed({ rounds: 10 })),
  notOfProgram(
    'trainer.config',
    configured({ epochs: '1' }),
    programmed({ trainer: { ...COMMAND, config: { epochs: '1' } } }),
    programmed({ trainer: { ...COMMAND, config: {} } }),
  ),
  notOfProgram(
    'evaluation',
    { spec: { evaluation: { bestBy: BEST.bestBy } } },
    programmed({ evaluation: { bestBy: BEST.bestBy } }),
  ),
  notOfProgram(
    'resumeFrom',
    { spec: { resumeFrom: RESUME } },
    programmed({ resumeFrom: RESUME, rounds: 10 }),
  ),
  notOfProgram(
    'model.initialParameters',
    { spec: { model: { initialParameters: 'start.safetensors' } } },
    programmed({ model: { initialParameters: 'start.safetensors' } }),
  ),
  ...(
    [
      ['quorum', 2],
      ['graceSeconds', 60],
      ['maxExamples', 100],
      ['maxFailedRounds', 5],
    ] as const
  ).map(([field, value]) =>
    notOfProgram(
      `round.${field}`,
      { spec: { round: { [field]: value } } },
      programmed({ round: { [field]: value } }),
      programmed({ round: { deadlineSeconds: 60 } }),
    ),
  ),
  ...(
    [
      ['minFitClients', 1],
      ['minAvailableClients', 1],
      ['fractionFit', 0.5],
      ['fractionEvaluate', 0.5],
      ['clipNorm', { norm: 1 }],
    ] as const
  ).map(([field, value]) =>
    notOfProgram(
      `strategy.${field}`,
      strategy({ [field]: value }),
      programmed({}, { [field]: value }),
      programmed({}, { clientState: 'Local' }),
    ),
  ),
]

export const RULE_CASES: readonly RuleCases[] = [
  ...PROGRAM_RULES,
  addresses(
    'spec.storage.s3.endpoint',
    ['', 'https://minio.storage.svc:9000', 'http://127.0.0.1:7070', 'https://store.example/s3/@x'],
    (endpoint) => ({ spec: { allowInsecure: true, storage: { s3: { endpoint } } } }),
  ),
  addresses(
    'spec.messaging.nats.url',
    ['nats://nats:4222', 'tls://nats.messaging.svc', 'nats://a:4222,tls://b:4222'],
    (url) => ({ spec: { allowInsecure: true, messaging: { nats: { url } } } }),
  ),
  immutable('allowInsecure', true, false),
  {
    at: 'spec.storage.s3.endpoint',
    says: 'a store without TLS',
    accepts: [
      ...['', 'https://minio:9000'].map((endpoint) => stored({ endpoint })),
      { spec: { ...stored({ endpoint: 'http://minio:9000' }).spec, allowInsecure: true } },
    ],
    rejects: ['http://minio:9000', 'http://127.0.0.1'].map((endpoint) => stored({ endpoint })),
  },
  {
    at: 'spec.messaging.nats.url',
    says: 'does not demand TLS',
    accepts: [
      ...[{}, { url: 'tls://nats' }, { url: 'nats://a,tls://b' }].map(messaged),
      messaged({ url: 'nats://nats:4222', tlsSecretName: 'nats-ca' }),
      { spec: { ...messaged({ url: 'nats://nats:4222' }).spec, allowInsecure: true } },
    ],
    rejects: ['nats://nats', 'nats://a:4222,nats://b', 'nats://a/tls://b'].map((url) => messaged({ url })),
  },
  {
    at: 'spec.model.initialParameters',
    says: 'has an unknown scheme',
    accepts: ['', 'start.safetensors', 's3://bucket/start.safetensors'].map((initialParameters) => ({
      spec: { model: { initialParameters } },
    })),
    rejects: ['https://user:password@host/start.safetensors', 'hf://a/b'].map((initialParameters) => ({
      spec: { model: { initialParameters } },
    })),
  },
  {
    at: 'spec.partitions',
    says: 'too long for its worker',
    accepts: [{ name: 'j'.repeat(51), spec: { partitions: [{ name: 'abcd' }, { name: 'b' }] } }],
    rejects: [{ name: 'j'.repeat(51), spec: { partitions: [{ name: 'abcde' }, { name: 'b' }] } }],
  },
  {
    at: 'spec.strategy.minFitClients',
    says: 'above the number of partitions that train',
    accepts: [strategy({ minFitClients: 2 }), { spec: { partitions: TRIO, strategy: { minFitClients: 3 } } }],
    rejects: [
      strategy({ minFitClients: 3 }),
      { spec: { partitions: [...PAIR, { name: 'c', train: false }], strategy: { minFitClients: 3 } } },
    ],
  },
  {
    at: 'spec.strategy.minAvailableClients',
    says: 'above the number of partitions that train',
    accepts: [
      { spec: { partitions: [{ name: 'a' }], strategy: { minFitClients: 1, minAvailableClients: 1 } } },
    ],
    rejects: [strategy({ minAvailableClients: 3 })],
  },
  {
    at: 'spec.round.quorum',
    says: 'above the largest cohort',
    accepts: [
      { spec: { round: { quorum: 2 } } },
      { spec: { partitions: TRIO, round: { quorum: 3 } } },
      { spec: { partitions: TRIO, round: { quorum: 2 }, strategy: { fractionFit: 0.1 } } },
    ],
    rejects: [
      { spec: { round: { quorum: 3 } } },
      { spec: { partitions: TRIO, round: { quorum: 3 }, strategy: { fractionFit: 0.9 } } },
    ],
  },
  {
    at: 'spec.evaluation',
    says: 'nobody would evaluate',
    accepts: [
      { spec: { evaluation: BEST } },
      strategy({ fractionEvaluate: 0 }),
      strategy({ fractionEvaluate: 0.3 }),
      { spec: { evaluation: BEST, strategy: { fractionEvaluate: 0.5 } } },
      // An onlooker counts among those who may evaluate.
      { spec: { partitions: TRIO_OF_TWO, evaluation: BEST, strategy: { fractionEvaluate: 0.34 } } },
    ],
    rejects: [
      { spec: { evaluation: BEST, strategy: { fractionEvaluate: 0 } } },
      { spec: { evaluation: BEST, strategy: { fractionEvaluate: 0.3 } } },
      { spec: { evaluation: BEST, strategy: { fractionEvaluate: 0.499 } } },
    ],
  },
  {
    at: 'spec.evaluation',
    says: 'no partition holds anything out',
    accepts: [
      { spec: { partitions: NOTHING_OUT } },
      { spec: { partitions: [NOTHING_OUT[0], { name: 'b' }], evaluation: BEST } },
      { spec: { partitions: [...NOTHING_OUT, { name: 'c', train: false }], evaluation: BEST } },
      {
        spec: {
          partitions: NOTHING_OUT,
          evaluation: BEST,
          trainer: { type: 'Command', command: { command: ['./client'] } },
        },
      },
    ],
    rejects: [{ spec: { partitions: NOTHING_OUT, evaluation: BEST } }],
  },
  {
    at: 'spec.model.initialParameters',
    says: 'together with resumeFrom',
    accepts: [
      { spec: { model: { initialParameters: 'start.safetensors' } } },
      { spec: { resumeFrom: RESUME } },
      { spec: { model: { initialParameters: 'start.safetensors' }, resumeFrom: null } },
    ],
    rejects: [{ spec: { model: { initialParameters: 'start.safetensors' }, resumeFrom: RESUME } }],
  },
  {
    at: 'spec.output.fullCheckpoint',
    says: 'has no base checkpoint',
    accepts: [
      { spec: { output: { fullCheckpoint: true } } },
      { spec: { output: { fullCheckpoint: false }, trainer: COMMAND } },
    ],
    rejects: [{ spec: { output: { fullCheckpoint: true }, trainer: COMMAND } }],
  },
  {
    at: 'spec.rounds',
    says: 'is not above resumeFrom.round',
    accepts: [
      { spec: { rounds: 4, resumeFrom: RESUME } },
      { spec: { rounds: 3, resumeFrom: null } },
      { spec: { rounds: 1, resumeFrom: { ...RESUME, round: 0 } } },
    ],
    rejects: [
      { spec: { rounds: 3, resumeFrom: RESUME } },
      { spec: { resumeFrom: { ...RESUME, round: 10 } } },
    ],
  },
  {
    at: 'spec.resumeFrom.prefix',
    says: 'unknown scheme',
    accepts: ['runs/one', '/runs/one', 's3://bucket/run/'].map((prefix) => ({
      spec: { resumeFrom: { ...RESUME, prefix } },
    })),
    rejects: ['hf://a/b', 'https://host/run'].map((prefix) => ({
      spec: { resumeFrom: { ...RESUME, prefix } },
    })),
  },
  settled('storage', S3),
  settled('messaging', NATS),
  settled('evaluation', BEST),
  immutable('activeDeadlineSeconds', 60, 61),
  immutable('resumeFrom', RESUME, { ...RESUME, round: 4 }),
  {
    at: 'spec.rounds',
    says: 'can only be raised',
    accepts: [
      { spec: { rounds: 11 }, old: {} },
      { spec: { rounds: 5 }, old: { spec: { rounds: 5 } } },
    ],
    rejects: [{ spec: { rounds: 9 }, old: {} }],
  },
  immutable('seed', 1, 2),
  immutable('managedBy', '', 'kueue.x-k8s.io/multikueue'),
  immutable(
    'strategy',
    { type: 'FedAdam', fedAdam: { eta: 0.1 } },
    { type: 'FedAdam', fedAdam: { eta: 0.2 } },
  ),
  {
    at: 'spec.strategy.minFitClients',
    says: 'is too small for FedTrimmedAvg',
    accepts: [
      many({ type: 'FedTrimmedAvg', minFitClients: 5 }),
      many({ type: 'FedTrimmedAvg', minFitClients: 10, fedTrimmedAvg: { beta: 0.1 } }),
      many({ type: 'FedTrimmedAvg', minFitClients: 3, fedTrimmedAvg: { beta: 0.4 } }),
      strategy({ type: 'FedTrimmedAvg', minFitClients: 1, fedTrimmedAvg: { beta: 0 } }),
    ],
    rejects: [
      many({ type: 'FedTrimmedAvg' }),
      many({ type: 'FedTrimmedAvg', minFitClients: 4 }),
      many({ type: 'FedTrimmedAvg', minFitClients: 9, fedTrimmedAvg: { beta: 0.1 } }),
    ],
  },
  {
    at: 'spec.strategy.minFitClients',
    says: '2 x numMaliciousNodes + 3',
    accepts: [
      many({ type: 'Krum', minFitClients: 3 }),
      many({ type: 'Krum', minFitClients: 7, krum: { numMaliciousNodes: 2 } }),
      many({ type: 'MultiKrum', minFitClients: 5, multiKrum: { numMaliciousNodes: 1, numNodesToSelect: 5 } }),
      many({ type: 'FedMedian', minFitClients: 1 }),
    ],
    rejects: [
      many({ type: 'Krum' }),
      many({ type: 'Krum', minFitClients: 6, krum: { numMaliciousNodes: 2 } }),
      many({ type: 'MultiKrum' }),
      many({ type: 'MultiKrum', minFitClients: 4, multiKrum: { numMaliciousNodes: 1 } }),
    ],
  },
  {
    at: 'spec.strategy.minFitClients',
    says: 'below multiKrum.numNodesToSelect',
    accepts: [many({ type: 'MultiKrum', minFitClients: 6, multiKrum: { numNodesToSelect: 6 } })],
    rejects: [many({ type: 'MultiKrum', minFitClients: 5, multiKrum: { numNodesToSelect: 6 } })],
  },
  {
    at: 'spec.strategy.fedTrimmedAvg.beta',
    says: 'is not below 0.5',
    accepts: [
      many({ type: 'FedTrimmedAvg', minFitClients: 3, fedTrimmedAvg: { beta: 0.499 } }),
      many({ type: 'FedTrimmedAvg', fedTrimmedAvg: { beta: 0 } }),
    ],
    rejects: [many({ type: 'FedTrimmedAvg', minFitClients: 3, fedTrimmedAvg: { beta: 0.5 } })],
  },
  {
    at: 'spec.strategy.clipNorm',
    says: 'set exactly one of norm and medianMultiple',
    accepts: [
      strategy({ clipNorm: { norm: 10 } }),
      many({ minFitClients: 3, clipNorm: { medianMultiple: 3 } }),
      many({ type: 'MultiKrum', minFitClients: 5, clipNorm: { norm: 0.5 } }),
    ],
    rejects: [
      strategy({ clipNorm: {} }),
      many({ minFitClients: 3, clipNorm: { norm: 10, medianMultiple: 3 } }),
    ],
  },
  {
    at: 'spec.strategy.minFitClients',
    says: 'too small for clipNorm.medianMultiple',
    accepts: [
      many({ minFitClients: 3, clipNorm: { medianMultiple: 3 } }),
      strategy({ minFitClients: 1, clipNorm: { norm: 3 } }),
    ],
    rejects: [
      strategy({ clipNorm: { medianMultiple: 3 } }),
      many({ type: 'FedMedian', minFitClients: 1, clipNorm: { medianMultiple: 3 } }),
    ],
  },
  owned('strategy', 'FedAvgM', 'fedAvgM', {}),
  owned('strategy', 'FedAdam', 'fedAdam', { type: 'FedYogi' }),
  owned('strategy', 'FedYogi', 'fedYogi', { type: 'FedAdam' }),
  owned('strategy', 'FedAdagrad', 'fedAdagrad', {}),
  owned('strategy', 'FedTrimmedAvg', 'fedTrimmedAvg', { type: 'FedMedian' }),
  owned('strategy', 'Krum', 'krum', { type: 'MultiKrum' }),
  owned('strategy', 'MultiKrum', 'multiKrum', { type: 'Krum' }),
  {
    at: 'spec.round.graceSeconds',
    says: 'longer than deadlineSeconds',
    accepts: [{ spec: { round: { graceSeconds: 3600 } } }, { spec: { round: { graceSeconds: null } } }],
    rejects: [
      { spec: { round: { graceSeconds: 3601 } } },
      { spec: { round: { graceSeconds: 11, deadlineSeconds: 10 } } },
    ],
  },
  immutable('trainer', { segmentAnything: { epochs: 1 } }, { segmentAnything: { epochs: 2 } }),
  owned('trainer', 'SegmentAnything', 'segmentAnything', { type: 'Command', command: { command: ['run'] } }),
  owned('trainer', 'Command', 'command', {}),
  {
    at: 'spec.trainer.command',
    says: 'names no program',
    accepts: [trainer({ type: 'Command', command: { command: ['python', '-m', 'trainer'] } })],
    rejects: [
      trainer({ type: 'Command' }),
      trainer({ type: 'Command', command: { args: ['-v'] } }),
      trainer({ type: 'Command', command: { image: 'registry.example/trainer:1' } }),
    ],
  },
  {
    at: 'spec.trainer.config',
    says: 'sets server_round',
    accepts: [configured({ server_rounds: '1' })],
    rejects: [configured({ server_round: '1' })],
  },
  {
    at: 'spec.trainer.config',
    says: 'sets seed',
    accepts: [configured({ my_seed: '1', SEED: '1' })],
    rejects: [configured({ seed: '1' }), configured({ seed: '' })],
  },
  {
    at: 'spec.trainer.config',
    says: 'a name without characters',
    accepts: [configured({ ['x'.repeat(64)]: '1' })],
    rejects: [configured({ '': '1' }), configured({ ['x'.repeat(65)]: '1' })],
  },
  {
    at: 'spec.trainer.config',
    says: 'only a Command trainer reads it',
    accepts: [configured({ epochs: '2' }), trainer({ config: {} })],
    rejects: [trainer({ config: { epochs: '2' } })],
  },
  ...uris('spec.trainer.segmentAnything.checkpoint.uri', (uri) =>
    trainer({ segmentAnything: { checkpoint: { uri } } }),
  ),
  {
    at: 'spec.trainer.segmentAnything.train',
    says: 'cannot train adapters',
    accepts: [trainer({ segmentAnything: { train: ['MaskDecoder', 'PromptEncoder', 'VisionEncoder'] } })],
    rejects: [
      trainer({ segmentAnything: { train: ['LoRA'] } }),
      trainer({ segmentAnything: { train: ['MaskDecoder', 'LoRA'] } }),
    ],
  },
  {
    at: 'spec.trainer.segmentAnything.backend',
    says: 'is not available in this version',
    accepts: ['Auto', 'TensorFlow', 'Wasm', 'CPU'].map((backend) =>
      trainer({ segmentAnything: { backend } }),
    ),
    rejects: [trainer({ segmentAnything: { backend: 'WebGPU' } })],
  },
  besideExternal('source', { s3: { uri: 's3://bucket/a' } }),
  besideExternal('serviceAccountName', 'reader', ''),
  besideExternal('securityContext', { fsGroup: 1000 }, {}),
  besideExternal('nodeSelector', { gpu: 'a100' }, {}),
  besideExternal('tolerations', [{ key: 'gpu', operator: 'Exists' }], []),
  besideExternal('workers', { template: { metadata: { labels: { site: 'a' } } } }),
  {
    at: 'spec.storage.s3.publicEndpoint',
    says: 'is missing, and a partition is external',
    accepts: [
      outside({}),
      outside({}, { messaging: OPEN_NATS }),
      outside({}, { storage: OPEN_S3 }),
      outside({}, { storage: OPEN_S3, messaging: OPEN_NATS }),
      { spec: { storage: S3, messaging: NATS } },
    ],
    rejects: [
      outside({}, { storage: S3 }),
      outside(
        { dataset: { root: 'data/a' } },
        { storage: { s3: { publicEndpoint: '' } }, messaging: OPEN_NATS },
      ),
    ],
  },
  {
    at: 'spec.messaging.nats.publicUrl',
    says: 'is missing, and a partition is external',
    accepts: [outside({}, { messaging: OPEN_NATS }), { spec: { messaging: NATS } }],
    rejects: [
      outside({}, { messaging: NATS }),
      outside({}, { storage: OPEN_S3, messaging: { nats: { publicUrl: '' } } }),
    ],
  },
  {
    at: 'spec.messaging.nats.publicUrl',
    says: 'no program opens a WebSocket',
    accepts: [
      messaged(OPEN_NATS.nats),
      messaged({ publicUrl: 'wss://fed.example.org:8443/bus' }),
      messaged({ publicUrl: '' }),
    ],
    rejects: [
      messaged({ publicUrl: 'wss://fed.example.org:6000/bus' }),
      messaged({ publicUrl: 'wss://fed.example.org:22' }),
    ],
  },
  {
    at: 'spec.partitions[].dataset.heldOutFraction',
    says: 'is above 0.9',
    accepts: [
      first({ dataset: { heldOutFraction: 0.9 } }),
      { spec: { partitions: [...PAIR, { name: 'c', train: false, dataset: { heldOutFraction: 1 } }] } },
      { spec: { partitions: [...PAIR, { name: 'c', train: false }] } },
    ],
    rejects: [
      first({ dataset: { heldOutFraction: 0.95 } }),
      first({ train: true, dataset: { heldOutFraction: 1 } }),
    ],
  },
  {
    at: 'spec.partitions[].dataset.annotationsFile',
    says: 'is missing for layout COCO',
    accepts: [first({ dataset: TEXT_COCO })],
    rejects: [first({ dataset: { layout: 'COCO' } })],
  },
  {
    at: 'spec.partitions[].dataset.annotationsFile',
    says: 'is only for layout COCO',
    accepts: [first({ dataset: { layout: 'Folders', annotationsFile: '' } })],
    rejects: [first({ dataset: { annotationsFile: 'instances.json' } })],
  },
  {
    at: 'spec.partitions[].source',
    says: 'exactly one of',
    accepts: [
      first({ source: { persistentVolumeClaim: { claimName: 'a' } } }),
      first({ source: { s3: { uri: 's3://bucket/a' } } }),
    ],
    rejects: [
      first({ source: {} }),
      first({ source: { persistentVolumeClaim: { claimName: 'a' }, s3: { uri: 's3://bucket/a' } } }),
    ],
  },
  immutable('workers', { template: { spec: { priority: 1 } } }, { template: { spec: { priority: 2 } } }),
  immutable('coordinator', {}, { memoryBytes: 1e9 }),
  immutable('storage', S3, { s3: { bucket: 'two' } }),
  immutable('messaging', NATS, { nats: { url: 'tls://other:4222' } }),
  immutable('model', {}, { initialParameters: 'start.safetensors' }),
  immutable('evaluation', BEST, { bestBy: { metric: 'iou' } }),
  {
    at: 'spec.evaluation.stopWhen.mode',
    says: 'differs from bestBy.mode',
    accepts: [
      { spec: { evaluation: { ...BEST, stopWhen: stopOf('loss', 'Min') } } },
      { spec: { evaluation: { bestBy: { metric: 'x', mode: 'Min' }, stopWhen: stopOf('x', 'Min') } } },
      { spec: { evaluation: { ...BEST, stopWhen: { metric: 'dice', target: 0.9 } } } },
    ],
    rejects: [
      { spec: { evaluation: { ...BEST, stopWhen: { metric: 'dice', mode: 'Min', patience: 3 } } } },
      { spec: { evaluation: { bestBy: { metric: 'x', mode: 'Max' }, stopWhen: stopOf('x', 'Min') } } },
    ],
  },
  {
    at: 'spec.evaluation.bestBy.mode',
    says: 'write mode: Max or mode: Min',
    accepts: [
      { spec: { evaluation: { bestBy: { metric: 'val_loss' } } } },
      { spec: { evaluation: { bestBy: { metric: 'Mean.IoU' } } } },
      { spec: { evaluation: { bestBy: { metric: 'speed', mode: 'Min' } } } },
    ],
    rejects: [
      { spec: { evaluation: { bestBy: { metric: 'speed' } } } },
      { spec: { evaluation: { bestBy: { metric: 'lossless' } } } },
    ],
  },
  {
    at: 'spec.evaluation.stopWhen.mode',
    says: 'write mode: Max or mode: Min',
    accepts: [
      { spec: { evaluation: { stopWhen: { metric: 'hd95', patience: 1 } } } },
      { spec: { evaluation: { stopWhen: stopOf('speed', 'Max') } } },
    ],
    rejects: [{ spec: { evaluation: { stopWhen: { metric: 'speed', patience: 1 } } } }],
  },
  {
    at: 'spec.evaluation.stopWhen',
    says: 'neither patience nor target',
    accepts: [{ spec: { evaluation: { stopWhen: { metric: 'dice', patience: 3 } } } }],
    rejects: [{ spec: { evaluation: { stopWhen: { metric: 'dice' } } } }],
  },
  immutable('output', {}, { fullCheckpoint: true }),
  immutable('startDeadlineSeconds', 60, 61),
  {
    at: 'status.training.epoch',
    says: 'below the epoch',
    accepts: [training({ epoch: 3 }, { epoch: 2 }), training({ epoch: 1, uid: 'other' }, { epoch: 2 })],
    rejects: [training({ epoch: 1 }, { epoch: 2 })],
  },
  {
    at: 'status.training.round',
    says: 'goes back behind',
    accepts: [
      training({ round: 2, attempt: 1 }, { round: 1, attempt: 4 }),
      training({ round: 2, attempt: 2 }, { round: 2, attempt: 1 }),
      training({ round: 1 }, { round: 2, uid: 'other' }),
    ],
    rejects: [
      training({ round: 1, attempt: 4 }, { round: 2, attempt: 1 }),
      training({ attempt: 1 }, { attempt: 2 }),
    ],
  },
]

function training(now: object, before: object): JobCase {
  const status = (fields: object) => ({ training: { uid: 'one', epoch: 2, round: 3, attempt: 3, ...fields } })
  return { status: status(now), old: { status: status(before) } }
}
