// Writes each use of a grant to the site's audit log, before the transfer: where, what, and how many bytes leave. A transfer that is not
// logged does not happen. A store whose certificate is not trusted is named, too (interception.ts).
import type { Grant, GrantedTransfers } from '#transport/ports.ts'
import { GrantRefused } from '#transport/ports.ts'
import type { AuditLog } from '../audit/audit-log.ts'
import type { Interception } from './interception.ts'

/** The same transfers. Each rejects with SiteRefused where its line cannot be written. */
export function auditedTransfers(
  transfers: GrantedTransfers,
  audit: AuditLog,
  { federation, interception }: { readonly federation: string; readonly interception: Interception },
): GrantedTransfers {
  const about = ({ method, url }: Grant) => ({ event: 'Grant', federation, method, url }) as const
  const logged = async <T>(grant: Grant, bytes: number, use: () => Promise<T>): Promise<T> => {
    await audit.write({ ...about(grant), bytes })
    try {
      const done = await use()
      interception.trusted(grant.url)
      return done
    } catch (error) {
      await interception.failed(error, grant.url)
      if (error instanceof GrantRefused) await audit.write({ ...about(grant), refused: error.message })
      throw error
    }
  }
  return {
    read: (grant, range) => logged(grant, 0, () => transfers.read(grant, range)),
    download: (grant, file, limits) => logged(grant, 0, () => transfers.download(grant, file, limits)),
    write: (grant, body, digest, tries) =>
      logged(grant, body.byteLength, () => transfers.write(grant, body, digest, tries)),
  }
}
