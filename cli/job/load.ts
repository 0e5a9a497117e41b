// Loads a job file: YAML, --set overrides, structure, defaults, rules. Guarantees one report of all problems, each with its
// line, its field, and a remedy. It reads only the job file, and writes nothing. paths.ts resolves the folders of the job.

import { createReadStream } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { API_VERSION, KIND } from '#protocol/api.ts'
import { applyDefaults, completeSpec } from '#protocol/defaults.ts'
import { sharedKeys } from '#protocol/external.ts'
import type { CompleteFederatedJobSpec, FederatedJobSpec } from '#protocol/generated/federatedjob.ts'
import { FEDERATED_JOB_SCHEMA } from '#protocol/generated/schema.ts'
import type { StructuralSchema } from '#protocol/structural-schema.ts'
import { type JobDocument, MOST_BYTES, readDocument } from './document.ts'
import { applyOverride, type Override, readOverride } from './overrides.ts'
import { type Path, type Problem, pathText, show, wrongJob } from './problem.ts'
import { checkRules } from './rules.ts'
import { checkStructure } from './structure.ts'

/** A valid job. Paths in `spec` are as written: see resolveLocalPaths. */
export interface LoadedJob {
  /** The job file's name, as the user gave it. */
  readonly file: string
  /** The absolute path of the folder that the job's relative paths start from. */
  readonly folder: string
  readonly name: string
  readonly namespace: string
  readonly spec: CompleteFederatedJobSpec
}

/**
 * Reads and checks a job file, with `--set path=value` overrides applied in order.
 * Throws FedsamError InvalidJob with one line per problem: "file:line: field: what is wrong; what to do".
 */
export async function loadJob(file: string, sets: readonly string[] = []): Promise<LoadedJob> {
  return loadBytes({ file, folder: dirname(resolve(file)), bytes: await readBytes(file) }, sets)
}

/** The same for bytes at hand. `file` names them in errors; relative paths start from `folder`. */
export function loadBytes(
  { file, folder, bytes }: Pick<LoadedJob, 'file' | 'folder'> & { readonly bytes: Uint8Array },
  sets: readonly string[] = [],
): LoadedJob {
  const document = readDocument(file, bytes)
  const { job, overrides } = overridden(document.value, sets)
  refuse(findProblems(job), file, document, overrides)
  const { metadata, spec } = job as { metadata: { name: string; namespace?: string }; spec: FederatedJobSpec }
  return {
    file,
    folder,
    name: metadata.name,
    namespace: metadata.namespace ?? 'default',
    spec: completeSpec(spec),
  }
}

/** All problems of a job's value. */
export function findProblems(job: unknown): Problem[] {
  const { apiVersion, kind } = job as Readonly<Record<string, unknown>>
  const foreign = [
    ...checkConstant('apiVersion', apiVersion, API_VERSION),
    ...checkConstant('kind', kind, KIND),
  ]
  if (foreign.length > 0) return foreign
  const structure = checkStructure(LOCAL_SCHEMA, job)
  const completed = applyDefaults(FEDERATED_JOB_SCHEMA, job)
  return [
    ...structure,
    ...checkRules(completed, { tolerant: structure.length > 0 }),
    ...checkKeys(completed as { readonly spec?: unknown }),
  ]
}

/** The one check across partitions that is no rule of the schema: each site has a key of its own. The operator applies it, too. */
function checkKeys({ spec }: { readonly spec?: unknown }): Problem[] {
  const { partitions } = (spec ?? {}) as { readonly partitions?: unknown }
  const list = Array.isArray(partitions) ? partitions.map((one: unknown) => Object(one)) : []
  return sharedKeys(list).flatMap(({ partitions: [first, ...others] }) =>
    others.map(({ index }) => ({
      path: ['spec', 'partitions', index, 'external', 'publicKey'],
      message: `is the key of partition ${first!.name} too, and a site would count twice; give each site its own key`,
    })),
  )
}

/** The schema, with the API server's own rules for metadata. */
const LOCAL_SCHEMA: StructuralSchema = {
  ...FEDERATED_JOB_SCHEMA,
  required: ['metadata', ...(FEDERATED_JOB_SCHEMA.required ?? [])],
  properties: {
    ...FEDERATED_JOB_SCHEMA.properties,
    metadata: {
      ...FEDERATED_JOB_SCHEMA.properties?.metadata,
      required: ['name'],
      'x-kubernetes-preserve-unknown-fields': true,
    },
  },
}

function checkConstant(field: string, value: unknown, wanted: string): Problem[] {
  if (value === wanted) return []
  const found = value === undefined || value === null ? 'is missing' : `is ${show(value)}`
  return [{ path: [field], message: `${found}; write ${field}: ${wanted}` }]
}

/** The bytes of a file or pipe. Reads at most one byte more than a job may have. */
export async function readBytes(file: string, what = "a FederatedJob's YAML file"): Promise<Uint8Array> {
  try {
    const chunks: Buffer[] = []
    for await (const chunk of createReadStream(file, { end: MOST_BYTES })) chunks.push(chunk as Buffer)
    return Buffer.concat(chunks)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    const reasons: Readonly<Record<string, string>> = {
      ENOENT: 'no such file',
      EISDIR: 'it is a folder',
      EACCES: 'permission denied',
    }
    const reason = reasons[code ?? ''] ?? String(code)
    throw wrongJob(`${file}: cannot be read: ${reason}; name ${what}`, cause)
  }
}

function overridden(value: unknown, sets: readonly string[]): { job: unknown; overrides: Override[] } {
  const overrides: Override[] = []
  const problems: string[] = []
  let job = value
  for (const text of sets) {
    const override = readOverride(text)
    const applied = 'problem' in override ? override : applyOverride(job, override)
    if ('problem' in applied) problems.push(`--set ${text}: ${applied.problem}`)
    else job = applied.job
    if (!('problem' in override)) overrides.push(override)
  }
  if (problems.length > 0) throw wrongJob(problems.join('\n'))
  return { job, overrides }
}

function refuse(
  problems: readonly Problem[],
  file: string,
  document: JobDocument,
  overrides: readonly Override[],
): void {
  if (problems.length === 0) return
  const lines = problems.map(({ path, message }) => {
    const override =
      overrides.findLast((candidate) => isWithin(path, candidate.path)) ??
      // A --set created this object on the way to its field.
      (document.has(path) ? undefined : overrides.findLast((candidate) => isWithin(candidate.path, path)))
    const place = override ? `--set ${override.text}` : `${file}:${document.locate(path)}`
    return `${place}: ${pathText(path)}: ${message}`
  })
  throw wrongJob([...new Set(lines)].join('\n'))
}

function isWithin(path: Path, parent: Path): boolean {
  return parent.every((step, depth) => path[depth] === step)
}
