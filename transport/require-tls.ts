// Refuses an address without TLS, for jobs that do not allow it. The schema checks the addresses in a spec. This checks those that a
// Secret, a profile or a redirect names, at each request.
import { FedsamError } from '#protocol/errors.ts'

/** Throws FedsamError StorageUnreachable where the URL is not https:. */
export function checkTls({ protocol, host }: URL): void {
  if (protocol === 'https:') return
  throw new FedsamError(
    'StorageUnreachable',
    `${protocol}//${host} has no TLS, and the job does not allow that`,
    {
      remedy: 'use an https:// address; or create the job with allowInsecure: true',
    },
  )
}
