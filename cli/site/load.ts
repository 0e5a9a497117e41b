// Loads a site's file: YAML, structure, rules. Guarantees one report of all problems, each with its line, its column, its field, and a
// remedy. It reads only this file, and writes nothing.
import { dirname, resolve } from 'node:path'
import { checkSiteRules } from '#site/file/rules.ts'
import { MOST_SITE_FILE_BYTES, SITE_FILE_SCHEMA } from '#site/file/schema.ts'
import { type Site, siteOf } from '#site/file/site.ts'
import { type FileKind, readDocument } from '../job/document.ts'
import { readBytes } from '../job/load.ts'
import { pathText, wrongJob } from '../job/problem.ts'
import { checkStructure } from '../job/structure.ts'

const KIND: FileKind = {
  start: 'write key, folder, federations and datasets; docs/how-to-site.md has an example',
  second: 'a site has one; remove the others',
}

/** Reads and checks a site's file. Throws InvalidJob with one line per problem: "file:line:column: field: what is wrong; what to do". */
export async function loadSite(file: string): Promise<Site> {
  return readSite(file, await readBytes(file, "a site's YAML file"))
}

/** The site of these bytes; `file` names them in messages, and its folder is where relative paths begin. Throws InvalidJob. */
export function readSite(file: string, bytes: Uint8Array): Site {
  if (bytes.length > MOST_SITE_FILE_BYTES)
    throw wrongJob(`${file}: is larger than ${MOST_SITE_FILE_BYTES / 1024} KiB; make it smaller`)
  const { value, locate, column } = readDocument(file, bytes, KIND)
  const problems = [...checkStructure(SITE_FILE_SCHEMA, value), ...checkSiteRules(value)]
  if (problems.length > 0) {
    const lines = problems.map(
      ({ path, message }) => `${file}:${locate(path)}:${column(path)}: ${pathText(path)}: ${message}`,
    )
    throw wrongJob([...new Set(lines)].join('\n'))
  }
  return siteOf(value, { file, folder: dirname(resolve(file)), lineOf: locate })
}
