// Certificates without an operator: on one machine `fedsam run` certifies its coordinators with a key that it makes for this run of
// the command. The key is never in the record.
import { certify } from '#protocol/certificate.ts'
import type { SigningKey } from '#protocol/signatures.ts'
import type { FixedSettings } from '../settings/settings.ts'
import type { Certify } from './context.ts'

/** Certifies any key of a coordinator of this run. */
export function certifyBy(
  certifier: SigningKey,
  { uid, namespace, name }: Pick<FixedSettings, 'uid' | 'namespace' | 'name'>,
): Certify {
  return async ({ epoch, key }) => certify(certifier, { uid, namespace, name, epoch, key })
}
