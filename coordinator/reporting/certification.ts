// How a coordinator in a cluster gets its certificate: it writes its public key into status.training, and waits until the operator has
// written the certificate into the status. While it waits, the job's condition says so; it waits as long as no operator runs.
import type { CoordinatorCertificate } from '#protocol/certificate.ts'
import { FedsamError } from '#protocol/errors.ts'
import type { Clock } from '#runtime/clock.ts'
import { type Notifier, waitAtMost } from '#runtime/notifier.ts'
import type { JobSource } from '#transport/ports.ts'
import type { Certify } from '../clients/context.ts'
import type { Reporting } from './status-writer.ts'

/** Seconds before the wait is reported: an operator that runs needs far less. */
const USUAL_SECONDS = 5
/** Seconds after which the wait compares again, whatever it was notified of. */
const COMPARE_SECONDS = 30

const WAITING = {
  reason: 'NotCertified',
  message:
    "The operator has not certified this coordinator's key yet, so no worker would believe it. Check that the operator runs.",
} as const

interface CertificationParts {
  readonly source: Pick<JobSource, 'job' | 'certificate'>
  readonly clock: Clock
  /** Receives what the coordinator waits for. */
  readonly hindered: (why: string | undefined) => void
}

/** `notifier` is notified when the job has changed. */
export function certifyThrough(
  { source, clock, hindered }: CertificationParts,
  reporting: Pick<Reporting, 'report'>,
  notifier: Notifier,
): Certify {
  const waits = (): void => {
    reporting.report({ event: 'Hindered', ...WAITING })
    hindered(WAITING.message)
  }
  const isFor = (found: CoordinatorCertificate | undefined, epoch: number, key: string): boolean =>
    found?.uid === source.job().uid && found.epoch === epoch && found.key === key
  return async ({ epoch, key, signal }) => {
    reporting.report({ event: 'KeyMade', epoch, publicKey: key })
    const reportAt = clock.now() + USUAL_SECONDS
    for (let waiting = false; !signal.aborted; ) {
      const notified = notifier.next()
      const found = source.certificate()
      if (isFor(found, epoch, key)) return found!
      if (!waiting && clock.now() >= reportAt) {
        waiting = true
        waits()
      }
      await waitAtMost(notified, waiting ? COMPARE_SECONDS : USUAL_SECONDS, { clock, signal })
    }
    throw new FedsamError('Interrupted', 'the coordinator was asked to stop')
  }
}
