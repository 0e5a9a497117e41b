// The audit log of a site: one line of JSON for each decision. Guarantees that a line is on the disk before its decision is carried out,
// that only the owner may read the file, that no line has the query of a URL, which is a right, and that lines are bounded. Each line
// opens the file again, so a rotation may rename, copy or truncate it at any time.
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { FedsamError } from '#protocol/errors.ts'
import { shortened } from '#protocol/text.ts'
import { writeFully } from '#runtime/file-bytes.ts'

/** The file of the audit log below the site's folder. */
export const AUDIT_FILE = 'audit.jsonl'

/** Longest text in a line, in characters. With the most fields a line then has less than 64 KiB. */
const LONGEST_TEXT = 1000
/** Fields of a line beside its time. */
const MOST_FIELDS = 16

/** What happened, and its facts. */
export type AuditEntry = {
  readonly event: 'Job' | 'Task' | 'Grant' | 'Connection' | 'Version'
} & Readonly<Record<string, string | number | boolean>>

export interface AuditLog {
  /** Appends a line. Throws SiteRefused where it cannot be written: the site then does no further work. */
  write(entry: AuditEntry): Promise<void>
}

/** The log in the site's folder, which must exist. `now` gives milliseconds since 1970. */
export function createAuditLog(folder: string, now: () => number): AuditLog {
  return auditLogOn(join(folder, AUDIT_FILE), now)
}

/** The same on any file. */
export function auditLogOn(file: string, now: () => number): AuditLog {
  let written: Promise<unknown> = Promise.resolve()
  return {
    async write(entry) {
      const line = auditLine(entry, now())
      const write = written.catch(() => {}).then(() => append(file, line))
      written = write
      await write.catch((cause: NodeJS.ErrnoException) => {
        // The message travels, so it names no path.
        throw new FedsamError(
          'SiteRefused',
          `the site cannot write its audit log (${cause.code ?? 'unknown'})`,
          {
            remedy: 'the site must free some space on its disk, or correct the rights on its folder',
            cause,
          },
        )
      })
    },
  }
}

/** One line of the log, with its line feed. */
export function auditLine(entry: AuditEntry, now: number): string {
  const fields = Object.entries(entry)
    .filter(([name]) => name !== 'time')
    .slice(0, MOST_FIELDS)
    .map(([name, value]) => [name, typeof value === 'string' ? textOf(value) : value])
  return `${JSON.stringify({ time: new Date(now).toISOString(), ...Object.fromEntries(fields) })}\n`
}

/** Cut before the search, too: its time grows with the square of the length. */
function textOf(value: string): string {
  return shortened(withoutQueries(shortened(value, 4 * LONGEST_TEXT)), LONGEST_TEXT)
}

/** The text without users, passwords and queries of the URLs in it. */
function withoutQueries(text: string): string {
  return text.replace(/\b([a-z][a-z0-9+.-]*:\/\/)(?:[^/?#\s]*@)?([^?#\s]*)[?#]?\S*/gi, '$1$2')
}

/** Appends to what the file has now. A line that a full disk cut off gets its end first, so that no two lines join. */
async function append(file: string, line: string): Promise<void> {
  const handle = await open(file, 'a+', 0o600)
  try {
    const { size } = await handle.stat()
    const last = Buffer.alloc(1)
    if (size > 0) await handle.read(last, 0, 1, size - 1)
    await writeFully(handle, Buffer.from(size > 0 && last[0] !== 10 ? `\n${line}` : line, 'utf8'))
    await handle.datasync()
  } finally {
    await handle.close()
  }
}
