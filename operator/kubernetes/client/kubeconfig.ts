// Reads and merges kubeconfig files as kubectl does: --kubeconfig, or the files of KUBECONFIG, or ~/.kube/config.
// Guarantees: for each name the first file that has it wins, paths are relative to their own file, and an error names
// its file. client-node handles users, certificates and exec plugins; client.ts handles token files.
import { existsSync, readFileSync } from 'node:fs'
import { delimiter, dirname, join, resolve } from 'node:path'
import { loadYaml } from '@kubernetes/client-node'

/** A kubeconfig that cannot be used. The message names the file. */
export class BrokenKubeconfig extends Error {
  override readonly name = 'BrokenKubeconfig'
}

type Fields = Record<string, unknown>
type Entry = Fields & { readonly name: string }

export interface Kubeconfig {
  /** The merged configuration, as the text of a kubeconfig. */
  readonly text: string
  /** From the name of a user to the file with its token. */
  readonly tokenFiles: ReadonlyMap<string, string>
}

/** Reads and merges the files; undefined where no file exists. Throws BrokenKubeconfig. */
export function readKubeconfig(
  named: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
  home: string,
): Kubeconfig | undefined {
  const files = existingFiles(named, env, home)
  if (files.length === 0) return undefined
  const configs = files.map(readFile)
  const lists = Object.fromEntries(
    ['clusters', 'users', 'contexts'].map((list) => [
      list,
      firstOfEachName(configs.map((config) => config[list])),
    ]),
  )
  const current = configs
    .map((config) => config['current-context'])
    .find((name) => typeof name === 'string' && name !== '')
  const tokenFiles = new Map<string, string>()
  for (const { name, user } of lists.users as (Entry & { user?: Fields })[]) {
    if (typeof user?.tokenFile === 'string') tokenFiles.set(name, user.tokenFile)
  }
  const text = JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    ...lists,
    'current-context': current ?? '',
  })
  return { text, tokenFiles }
}

/** A file that --kubeconfig names must exist. kubectl skips missing files of KUBECONFIG. */
function existingFiles(
  named: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
  home: string,
): string[] {
  if (named) return [named]
  const listed = (env.KUBECONFIG ?? '').split(delimiter).filter(Boolean)
  if (listed.length === 0) return [join(home, '.kube', 'config')].filter((file) => existsSync(file))
  const files = listed.filter((file) => existsSync(file))
  if (files.length === 0)
    throw new BrokenKubeconfig(`KUBECONFIG names ${listed.join(' and ')}, and no such file exists`)
  return files
}

function readFile(file: string): Fields {
  let value: unknown
  try {
    value = loadYaml(readFileSync(file, 'utf8')) ?? {}
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    throw new BrokenKubeconfig(
      `${file} cannot be read: ${code === 'ENOENT' ? 'no such file' : message.split('\n')[0]}`,
      {
        cause,
      },
    )
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new BrokenKubeconfig(`${file} is not a kubeconfig: its content is not an object`)
  return absolute(value as Fields, file)
}

/** Fields that hold a path: for each list, the object in its items and the fields of that object. */
const PATHS = {
  clusters: ['cluster', ['certificate-authority']],
  users: ['user', ['client-certificate', 'client-key', 'tokenFile']],
} as const

function absolute(config: Fields, file: string): Fields {
  const folder = dirname(resolve(file))
  const at = (path: unknown): unknown =>
    typeof path === 'string' && path !== '' ? resolve(folder, path) : path
  const changed = Object.entries(PATHS).map(([list, [part, fields]]) => {
    const items = entriesOf(config[list], list, file).map((item) => {
      const inner = { ...(item[part] as Fields | undefined) }
      for (const field of fields) if (field in inner) inner[field] = at(inner[field])
      const exec = inner.exec as { command?: unknown } | undefined
      // A plugin without a slash is searched in PATH.
      if (typeof exec?.command === 'string' && exec.command.includes('/'))
        inner.exec = { ...exec, command: at(exec.command) }
      return { ...item, [part]: inner }
    })
    return [list, items]
  })
  return { ...config, ...Object.fromEntries(changed), contexts: entriesOf(config.contexts, 'contexts', file) }
}

function entriesOf(list: unknown, name: string, file: string): Entry[] {
  if (list === undefined || list === null) return []
  const isList = Array.isArray(list) && list.every((item) => typeof item?.name === 'string')
  if (!isList)
    throw new BrokenKubeconfig(`${file} is not a kubeconfig: ${name} is not a list of entries with names`)
  return list as Entry[]
}

function firstOfEachName(lists: readonly unknown[]): Entry[] {
  const found = new Map<string, Entry>()
  for (const entry of lists.flat() as Entry[]) if (!found.has(entry.name)) found.set(entry.name, entry)
  return [...found.values()]
}
