// `fedsam site check`: whether a site has what its file names; network.ts checks the way to its federations. Each item is one finding; one that fails hides no
// other, but without a readable file there is nothing else to check. It makes no key and reads data only to inspect it.
import { access, constants, stat, statfs } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { FedsamError } from '#protocol/errors.ts'
import { counted } from '#protocol/text.ts'
import { CONVERSATION } from '#protocol/version.ts'
import { exists } from '#runtime/paths.ts'
import { AUDIT_FILE } from '#site/audit/audit-log.ts'
import { BUILT_IN, type Site, type SiteDataset } from '#site/file/site.ts'
import { siteKey } from '#site/key.ts'
import { usageOf } from '#site/ledger/counts.ts'
import { readCounts } from '#site/ledger/ledger.ts'
import { inspectDataset } from '#worker/data/preflight.ts'
import { checked, type Finding, ok, problem } from '../cluster/checks/finding.ts'
import { type AskedJob, jobFindings } from './check-job.ts'
import { loadSite } from './load.ts'

/** Bytes that should be free for models: SAM's largest checkpoint in float32, twice. */
const LEAST_FREE = 5 * 2 ** 30

/** What the people of a federation may ask for before they upgrade it. */
const VERSIONS = `this agent speaks version ${CONVERSATION} of the conversation, with coordinators of version ${CONVERSATION - 1} to ${CONVERSATION + 1}`

interface Asked {
  readonly job?: AskedJob
  /** Checks the way to the federations. */
  readonly network?: (site: Site) => Promise<readonly Finding[]>
}

/** All findings, in the order of the file; then those about a job and the network, where they are asked about. */
export async function checkSite(file: string, { job, network }: Asked = {}): Promise<readonly Finding[]> {
  const loaded = await loadSite(file).catch((error: FedsamError) => error)
  if (loaded instanceof Error) return loaded.message.split('\n').map((line) => problem('file', line, ''))
  const { federations, datasets } = loaded
  const contents = `${counted(federations.length, 'federation')}, ${counted(Object.keys(datasets).length, 'data set')}`
  return [
    ok('file', `${file} is valid: ${contents}`),
    ok('version', VERSIONS),
    ...(await checked('key', () => keyFinding(loaded))),
    await folderFinding(loaded),
    ...(await checked('ledger', () => ledgerFinding(loaded))),
    ...(await auditFinding(loaded)),
    ...(await certificateFindings(loaded)),
    ...(await dataFindings(loaded)),
    ...(job === undefined ? [] : await checked('job', () => jobFindings(loaded, job))),
    ...(network === undefined ? [] : await network(loaded)),
  ]
}

/** The key, which `site key` makes. */
async function keyFinding({ key }: Site): Promise<Finding> {
  if (!(await exists(key)))
    return problem('key', `the file ${key} does not exist`, `make the key: fedsam site key ${key}`)
  return ok('key', `its public half is ${(await siteKey(key)).publicKey}`)
}

/** The folder of the state: writable, and with room for models. */
async function folderFinding({ folder, file, lineOf }: Site): Promise<Finding> {
  const parent = (await exists(folder)) ? folder : dirname(folder)
  const remedy = `create it for this user, or name another one in ${file}:${lineOf(['folder'])}`
  try {
    await access(parent, constants.W_OK | constants.X_OK)
    if (!(await stat(parent)).isDirectory()) return problem('folder', `${parent} is a file`, remedy)
    const { bavail, bsize } = await statfs(parent)
    const free = bavail * bsize
    const says = `${folder} can be written, and has ${(free / 2 ** 30).toFixed(1)} GiB free`
    return free < LEAST_FREE
      ? problem('folder', says, 'free some space: a large model needs 5 GiB')
      : ok('folder', says)
  } catch (error) {
    return problem('folder', `${folder} cannot be written: ${(error as Error).message}`, remedy)
  }
}

/** What each data set gave so far. An agent may hold the ledger meanwhile: its file is replaced as a whole. */
async function ledgerFinding({ folder, datasets }: Site): Promise<Finding> {
  const counts = await readCounts(folder)
  const today = new Date().toISOString().slice(0, 10)
  const given = Object.keys(datasets).map((name) => {
    const { updates, evaluations } = usageOf(counts, name, today)
    return `${name} gave ${counted(updates, 'update')} and ${counted(evaluations, 'evaluation')}`
  })
  return ok('ledger', given.join('; ') || 'no data set gave anything')
}

/** The audit log, where a site has one: the site refuses all work if it cannot be written. */
async function auditFinding({ folder }: Site): Promise<Finding[]> {
  const file = join(folder, AUDIT_FILE)
  if (!(await exists(file))) return []
  const { mode } = await stat(file)
  if ((mode & 0o077) !== 0)
    return [problem('audit log', `other users may read ${file}`, `chmod 600 ${file}, and its rotated copies`)]
  return access(file, constants.W_OK).then(
    () => [ok('audit log', `${file} can be written`)],
    (error: Error) => [
      problem('audit log', `${file} cannot be written: ${error.message}`, 'correct its owner'),
    ],
  )
}

async function certificateFindings({ federations, file, lineOf }: Site): Promise<Finding[]> {
  const named = federations.flatMap(({ ca }, at) => (ca === undefined ? [] : [{ ca, at }]))
  return Promise.all(
    named.map(async ({ ca, at }) => {
      const readable = await access(ca, constants.R_OK).then(
        () => true,
        () => false,
      )
      const place = `${file}:${lineOf(['federations', at, 'ca'])}`
      return readable
        ? ok('ca', `${ca} can be read`)
        : problem('ca', `${ca} cannot be read`, `correct the name in ${place}, or the mode of the file`)
    }),
  )
}

/** Each data set as a run reads it: every file is decoded once. Of one that only the site's own programs read, the folder is checked. */
async function dataFindings({ federations, datasets, file, lineOf }: Site): Promise<Finding[]> {
  const jobs = federations.flatMap((federation) => federation.jobs)
  const findings: Finding[] = []
  for (const [name, dataset] of Object.entries(datasets)) {
    const place = `${file}:${lineOf(['datasets', name])}`
    findings.push(
      ...(await checked(`data ${name}`, async () => {
        const own = jobs.filter((listed) => listed.dataset === name)
        if (own.length > 0 && own.every(({ trainer }) => trainer !== BUILT_IN))
          return isReadableFolder(dataset.path, `data ${name}`, place)
        const { images, problems } = await inspectDataset(specOf(dataset), dataset.path)
        const fatal = problems.filter((one) => one.fatal)
        if (fatal.length === 0) return ok(`data ${name}`, `${images} images with masks`)
        return fatal.map(({ file: at, message, remedy }) =>
          problem(`data ${name}`, `${place}: ${at === undefined ? '' : `${at} `}${message}`, remedy),
        )
      })),
    )
  }
  return findings
}

async function isReadableFolder(path: string, subject: string, place: string): Promise<Finding> {
  try {
    await access(path, constants.R_OK | constants.X_OK)
    if ((await stat(path)).isDirectory()) return ok(subject, `${path} can be read`)
  } catch {}
  return problem(subject, `${path} is not a folder that this user can read`, `correct path in ${place}`)
}

function specOf({ path, limits: _, ...dataset }: SiteDataset) {
  return { ...dataset, root: path }
}
