// Reads the folder of a Flower app (pyproject.toml) with the Python that will run the app: it has fedsam_client, and a reader of TOML.
// Imports nothing of the app.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import * as v from 'valibot'
import { FedsamError } from '#protocol/errors.ts'
import { inheritedVariables } from '#worker/trainer/trainer-environment.ts'

const run = promisify(execFile)

const ProjectSchema = v.object({
  /** The project's name, as it wrote it. */
  name: v.string(),
  serverapp: v.string(),
  clientapp: v.string(),
  /** The texts of --arg: context.run_config of both sides. */
  arguments: v.array(v.string()),
  /** The number of simulated nodes; null where the project has none. */
  nodes: v.nullable(v.pipe(v.number(), v.integer(), v.minValue(1))),
})
const AnswerSchema = v.union([
  v.object({ error: v.object({ message: v.string(), remedy: v.string() }) }),
  ProjectSchema,
])

export type AppProject = v.InferOutput<typeof ProjectSchema>

/** Letters of Python's own words that a message quotes. */
const LONGEST_WORDS = 300

/** Throws InvalidJob for a folder that is no app, or that FedSAM cannot run. `runConfig` is as `flwr run --run-config` takes it. */
export async function readAppFolder(
  folder: string,
  runConfig: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<AppProject> {
  const overrides = runConfig.flatMap((text) => ['--run-config', text])
  const args = ['-m', 'fedsam_client.project', folder, ...overrides]
  const answer = await run('python3', args, { env: inheritedVariables(env) }).catch(
    (error: { stdout?: string; stderr?: string; code?: unknown }) => error,
  )
  const lines = answer.stdout?.trim() ?? ''
  if (lines === '') throw noPython(answer)
  const found = v.parse(AnswerSchema, JSON.parse(lines))
  if ('error' in found)
    throw new FedsamError('InvalidJob', found.error.message, { remedy: found.error.remedy })
  return found
}

function noPython({ stderr, code }: { readonly stderr?: string; readonly code?: unknown }): FedsamError {
  if (code === 'ENOENT')
    return new FedsamError('InvalidJob', 'there is no python3, which a Flower app needs', {
      remedy: 'activate the environment of the app',
    })
  const words = stderr?.trim().split('\n').at(-1)?.slice(0, LONGEST_WORDS) ?? ''
  return new FedsamError('InvalidJob', `python3 -m fedsam_client.project failed: ${words}`, {
    remedy: 'install fedsam_client beside the app: pip install ./python in a checkout of FedSAM',
  })
}
