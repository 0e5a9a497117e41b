// Names certificates that are not trusted, in the audit log and in the log, with their issuers: a device that opens TLS presents its own.
// The site sends nothing over such a connection, and tries again. Guarantees: one line for each address and issuer, until the address is
// trusted again; a line that cannot be written stops no connection.
import { isAboutCertificate, untrustedCertificate } from '#transport/entry/certificate.ts'
import type { EntryOptions } from '#transport/entry/check.ts'
import type { AuditLog } from '../audit/audit-log.ts'

export interface Interception {
  /** Notes the failure of a connection to this address, if it is one of a certificate. Never rejects. */
  failed(error: unknown, url: string): Promise<void>
  /** The address is trusted: a later failure is new. */
  trusted(url: string): void
}

interface Options {
  readonly federation: string
  readonly way: Omit<EntryOptions, 'url'>
  readonly audit: AuditLog
  readonly log: (line: string) => void
}

export function watchInterception({ federation, way, audit, log }: Options): Interception {
  const said = new Map<string, string>()
  return {
    async failed(error, address) {
      if (!isAboutCertificate(error)) return
      const url = new URL(address)
      const found = await untrustedCertificate(url, way).catch(() => undefined)
      if (found === undefined || said.get(url.host) === found.message) return
      said.set(url.host, found.message)
      log(`${found.message}; nothing was sent, and the site tries again; ${found.remedy}`)
      const { origin, pathname } = url
      await audit
        .write({ event: 'Connection', federation, url: `${origin}${pathname}`, refused: found.message })
        .catch((unwritten: Error) => log(unwritten.message))
    },
    trusted: (address) => void said.delete(new URL(address).host),
  }
}
