// What an image of a Dockerfile is made of: the stages that its target needs, and the files that those copy. Read from the Dockerfile
// itself, so it cannot go stale. Promises: a digest that changes with any of it, and with nothing else.
import { createHash } from 'node:crypto'
import { glob, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { FedsamError } from '#protocol/errors.ts'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))

export interface Stage {
  readonly name: string
  /** Its lines, continued lines joined. */
  readonly lines: readonly string[]
}

export interface Inputs {
  /** Files and folders, relative to the root. */
  readonly inputs: readonly string[]
  /** The lines of all stages that the target needs. */
  readonly text: string
  /** Stages from which files are copied, in the Dockerfile's order. */
  readonly copiedFrom: readonly string[]
}

/** The file's path is relative to the root, which is the context of every build. */
export async function readDockerfile(file = 'Dockerfile'): Promise<readonly Stage[]> {
  return stagesOf(await readFile(join(ROOT, file), 'utf8'))
}

/** Comments do not count: they change no image. */
export function stagesOf(text: string): readonly Stage[] {
  const stages: { name: string; lines: string[] }[] = [{ name: '', lines: [] }]
  for (const line of text
    .replace(/^\s*#.*\n/gm, '')
    .replace(/\\\n\s*/g, ' ')
    .split('\n')) {
    const from = /^FROM \S+(?: AS (\S+))?/i.exec(line)
    if (from) stages.push({ name: from[1] ?? '', lines: [] })
    if (line.trim() !== '') stages.at(-1)!.lines.push(line)
  }
  return stages
}

/** Of the target and the stages that it builds on or copies from. Throws FedsamError RunFailed for an unknown target. */
export function inputsOf(stages: readonly Stage[], target: string): Inputs {
  const needed = new Set([''])
  const visit = (name: string): void => {
    const stage = stages.find((one) => one.name === name)
    if (stage === undefined || needed.has(name)) return
    needed.add(name)
    for (const line of stage.lines) {
      const other = /^FROM (\S+)/i.exec(line)?.[1] ?? /^COPY --from=(\S+)/.exec(line)?.[1]
      if (other !== undefined) visit(other)
    }
  }
  visit(target)
  if (needed.size === 1)
    throw new FedsamError('RunFailed', `the Dockerfile has no target ${target}`, {
      remedy: 'name one of its stages',
    })
  const lines = stages.filter(({ name }) => needed.has(name)).flatMap((stage) => stage.lines)
  const copied = lines.flatMap((line) => /^COPY (?!--from)(.+) \S+$/.exec(line)?.[1]?.split(' ') ?? [])
  const sources = lines.flatMap((line) => /^COPY --from=(\S+)/.exec(line)?.[1] ?? [])
  return {
    inputs: [...new Set(copied)].sort(),
    text: lines.join('\n'),
    copiedFrom: stages.map(({ name }) => name).filter((name) => sources.includes(name)),
  }
}

/** SHA-256, hexadecimal, over names and contents of the files that reach a build (see .dockerignore), and over `more`. */
export async function digestOf(inputs: readonly string[], more: readonly string[]): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify(more))
  for (const input of inputs)
    for (const file of await filesOf(input)) {
      const content = createHash('sha256')
        .update(await readFile(join(ROOT, file)))
        .digest('hex')
      hash.update(`${file}\n${content}\n`)
    }
  return hash.digest('hex')
}

async function filesOf(input: string): Promise<string[]> {
  if ((await stat(join(ROOT, input))).isFile()) return [input]
  const files: string[] = []
  for await (const entry of glob(`${input}/**/*`, { cwd: ROOT, withFileTypes: true }))
    if (entry.isFile() && !/\.test\.ts$|\.pyc$/.test(entry.name))
      files.push(join(entry.parentPath, entry.name))
  return files.map((file) => file.replace(ROOT, '')).sort()
}
