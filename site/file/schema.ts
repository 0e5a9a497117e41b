// The schema of a site's file: the one source of its fields, defaults, bounds and descriptions. The command line checks files by it,
// and npm run generate makes docs/reference/site-file.md and docs/reference/site.schema.json from it. Pure.
import type { StructuralSchema } from '#protocol/structural-schema.ts'

/** A schema node with its text. */
export interface DescribedField extends StructuralSchema {
  readonly description: string
  readonly properties?: Readonly<Record<string, DescribedField>>
  readonly additionalProperties?: DescribedField
  readonly items?: DescribedField
}

/** Bytes of a site's file. One with 16 federations of 64 jobs each has about 80 kB. */
export const MOST_SITE_FILE_BYTES = 256 * 1024

const NAME = '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$'
/** Every name of a job has this form; lengths are checked beside it. */
export const JOB = '^[a-z0-9]([-a-z0-9]*[a-z0-9])?/[a-z0-9]([-a-z0-9.]*[a-z0-9])?$'
const SUBFOLDER = { type: 'string', maxLength: 1024 } as const
const FILE = { type: 'string', minLength: 1, maxLength: 4096 } as const

const count = (description: string, minimum: number): DescribedField => ({
  type: 'integer',
  minimum,
  maximum: 1_000_000_000,
  description,
})

const LIMITS: DescribedField = {
  type: 'object',
  default: {},
  description:
    'What all jobs together may take from this data set. The site counts in a ledger on its own disk. An absent limit does not bound.',
  properties: {
    rounds: count('The most rounds that a job may have. E.g. 50.', 1),
    updates: count(
      'The most updates that leave the site, over all jobs and all days. First parameters count as an update. E.g. 500.',
      0,
    ),
    updatesPerDay: count('The most updates that leave the site on one day (UTC), over all jobs. E.g. 50.', 0),
    evaluations: count('The most models that the data evaluates, over all jobs and all days. E.g. 500.', 0),
    smallestCohort: count(
      'The least strategy.minFitClients of a job. It guards against mistakes only: an author can invent partitions. E.g. 3.',
      1,
    ),
  },
}

const DATASET: DescribedField = {
  type: 'object',
  description: 'One data set of the site. Its path never travels.',
  required: ['path'],
  properties: {
    path: { ...FILE, description: 'The folder of the data, relative to this file. E.g. /data/brain.' },
    layout: {
      type: 'string',
      enum: ['Folders', 'COCO'],
      default: 'Folders',
      description: 'The layout of the folder; docs/data.md has the rules. Default Folders.',
    },
    imageSubfolder: {
      ...SUBFOLDER,
      default: 'images',
      description: 'The folder of the images, relative to path. Default images.',
    },
    annotationSubfolder: {
      ...SUBFOLDER,
      default: 'masks',
      description: 'The folder of the masks, relative to path. Default masks.',
    },
    annotationsFile: {
      ...SUBFOLDER,
      default: '',
      description: 'The JSON file of the layout COCO, relative to path. Default "".',
    },
    groupPattern: {
      type: 'string',
      maxLength: 1024,
      default: '',
      description:
        'A regular expression on file names. Files with the same text in its first group stay on the same side of the split. E.g. ^(patient[0-9]+)-. Default "".',
    },
    labels: {
      type: 'array',
      maxItems: 256,
      default: [],
      'x-kubernetes-list-type': 'set',
      description:
        'The labels of the object, as dataset.labels of a job. Empty, every value but 0, or every category. E.g. [2]. Default [].',
      items: { type: 'integer', minimum: 0, maximum: 65_535, description: 'A mask value or a category id.' },
    },
    heldOutFraction: {
      type: 'number',
      minimum: 0,
      maximum: 1,
      default: 0.2,
      description:
        'The share of the images that is kept for evaluation. 1 where the site only evaluates. Default 0.2.',
    },
    limits: LIMITS,
  },
}

const TRAINER: DescribedField = {
  type: 'object',
  description: 'A program that the site installed. A job can choose neither it nor its arguments.',
  required: ['command'],
  properties: {
    command: {
      type: 'array',
      minItems: 1,
      maxItems: 256,
      description:
        'The program and its arguments, as the site starts it. E.g. [/opt/trainer/bin/python, -m, trainer].',
      items: { type: 'string', maxLength: 4096, description: 'A word of the command.' },
    },
    jobCommand: {
      type: 'array',
      maxItems: 256,
      description:
        'The command that the job names, for its pods; the site runs only its own. Absent, the job must name the same words as command. E.g. [python, -m, trainer].',
      items: { type: 'string', maxLength: 4096, description: 'A word of the command.' },
    },
    env: {
      type: 'object',
      maxProperties: 64,
      default: {},
      description:
        'Environment variables of the program. A job cannot set any. E.g. {OMP_NUM_THREADS: "4"}. Default {}.',
      additionalProperties: { type: 'string', maxLength: 32768, description: 'A value.' },
    },
    config: {
      type: 'array',
      maxItems: 256,
      default: [],
      'x-kubernetes-list-type': 'set',
      description:
        'Names of trainer.config that a job may set. The program gets their values: list only names that are harmless with any value. E.g. [local_epochs]. Default [].',
      items: { type: 'string', minLength: 1, maxLength: 256, description: 'A name.' },
    },
  },
}

const LISTED_JOB: DescribedField = {
  type: 'object',
  description: 'One job in which the site takes part.',
  required: ['job', 'dataset'],
  properties: {
    job: {
      type: 'string',
      maxLength: 317,
      pattern: JOB,
      description: 'namespace/name. E.g. team-a/brain-tissue.',
    },
    dataset: {
      type: 'string',
      maxLength: 63,
      pattern: NAME,
      description: 'The data set that it may use. E.g. brain.',
    },
    trainer: {
      type: 'string',
      minLength: 1,
      maxLength: 63,
      default: 'SegmentAnything',
      description: 'SegmentAnything, or the name of one of trainers. Default SegmentAnything.',
    },
  },
}

const FEDERATION: DescribedField = {
  type: 'object',
  description: 'A cluster in whose jobs the site takes part.',
  required: ['name', 'trust', 'bus', 'store', 'jobs'],
  properties: {
    name: {
      type: 'string',
      maxLength: 63,
      pattern: NAME,
      description: "The site's own name for it. E.g. heart.",
    },
    trust: {
      type: 'array',
      minItems: 1,
      maxItems: 4,
      'x-kubernetes-list-type': 'set',
      description: "The public keys of the federation's operator: the site believes no other coordinator.",
      items: { type: 'string', pattern: '^[0-9a-f]{64}$', description: 'A public key.' },
    },
    bus: { ...FILE, description: 'The address of the bus. E.g. wss://fed.example.org/bus.' },
    store: {
      ...FILE,
      description: 'The origin of the store. Models go there and nowhere else. E.g. https://fed.example.org.',
    },
    ca: {
      ...FILE,
      description:
        "A file with certificates that replace the system's roots, relative to this file. E.g. ca.pem.",
    },
    proxy: {
      ...FILE,
      description:
        'The proxy to the outside. Without it, HTTPS_PROXY and NO_PROXY of the environment decide. E.g. http://proxy.example.org:3128.',
    },
    jobs: {
      type: 'array',
      maxItems: 64,
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['job'],
      description: 'The jobs in which the site takes part. It answers no other job.',
      items: LISTED_JOB,
    },
  },
}

export const SITE_FILE_SCHEMA: DescribedField = {
  type: 'object',
  description: 'What a site decides for itself: whom it trusts, which jobs may use which data, and how much.',
  required: ['key', 'folder', 'federations', 'datasets'],
  properties: {
    key: { ...FILE, description: "The file with the site's key, relative to this file. E.g. site.key." },
    folder: {
      ...FILE,
      description:
        "The folder of the site's own state (ledger, cache, audit log), relative to this file. E.g. /var/lib/fedsam-site.",
    },
    federations: {
      type: 'array',
      maxItems: 16,
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['name'],
      description: 'The clusters in whose jobs the site takes part.',
      items: FEDERATION,
    },
    datasets: {
      type: 'object',
      maxProperties: 256,
      description: 'The data sets of the site, by name.',
      additionalProperties: DATASET,
    },
    trainers: {
      type: 'object',
      maxProperties: 64,
      default: {},
      description: 'Programs of the site that may train in place of SegmentAnything, by name. Default {}.',
      additionalProperties: TRAINER,
    },
    noProgressSeconds: {
      type: 'integer',
      minimum: 1,
      maximum: 604_800,
      default: 600,
      description:
        'A trainer that writes nothing and uses no processor for this number of seconds has failed, in every job. round.noProgressSeconds of a job is for its pods. E.g. 3600. Default 600.',
    },
    models: {
      type: 'array',
      maxItems: 256,
      default: [],
      'x-kubernetes-list-type': 'set',
      description:
        'The only models that a job may start from. For SegmentAnything: the checkpoint as the job names it, or sha256: and the 64 hexadecimal digits of its digest in run.json. For a command: sha256: and the digits of the model of round 0. A name is the word of the coordinator, and the models of later rounds are its own. Empty, any model. E.g. [hf://facebook/sam-vit-base@main]. Default [].',
      items: { type: 'string', minLength: 1, maxLength: 1024, description: 'A model.' },
    },
    states: {
      type: 'boolean',
      default: false,
      description:
        "Whether a client's state may leave the site, to the job's store, where only this client may read it: what a trainer keeps from round to round, such as the moments of keepOptimizerState. false: no state leaves. A job with strategy.clientState Local keeps it here in any case. Default false.",
    },
    metrics: {
      type: 'object',
      default: {},
      description: 'Which results of evaluations leave the site.',
      properties: {
        share: {
          type: 'boolean',
          default: true,
          description: 'false keeps all of them: the site then evaluates no model. Default true.',
        },
        names: {
          type: 'array',
          maxItems: 256,
          default: [],
          'x-kubernetes-list-type': 'set',
          description:
            'The only metrics that leave the site, beside the loss; empty, all. E.g. [dice]. Default [].',
          items: { type: 'string', minLength: 1, maxLength: 256, description: 'A metric.' },
        },
      },
    },
  },
}
