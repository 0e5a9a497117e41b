// The client's end of the signed conversation: seals each request, and takes only answers that a certified coordinator of this run
// signed for exactly this request. Every other answer is ignored and counted, and the request waits for another one: so nobody who
// answers first can answer falsely. Both ends state the version that they speak. What an answer means is left to answers.ts.
import { encodeJson } from '#protocol/canonical.ts'
import { type CoordinatorCertificate, certificateCheck } from '#protocol/certificate.ts'
import { type AnswerFault, openAnswer, sealRequest } from '#protocol/envelope.ts'
import { FedsamError } from '#protocol/errors.ts'
import { type AnswerFrame, clientInbox, clientSubject, readAnswerFrame, uidOf } from '#protocol/messages.ts'
import { areNear, CONVERSATION, type Versions, versionOf, versionsApart } from '#protocol/version.ts'
import { createLimitedLog } from '#runtime/limited-log.ts'
import { NoAnswer } from '#transport/ports.ts'
import type { WorkerOptions } from './options.ts'

/** How often a request is repeated at once because another coordinator answered than it was addressed to. */
const MOST_COORDINATORS = 3

/** Why the client ignores an answer. */
type Ignored = AnswerFault | 'WrongEpoch'

const WHY: Readonly<Record<Ignored, string>> = {
  Unsigned: 'it has no signature',
  OtherRun: 'its certificate belongs to another run',
  NotCertified: 'no key that this worker trusts signed its certificate',
  WrongSignature: 'the certified key did not sign it as the answer to this request',
  WrongEpoch: 'its epoch is not that of its certificate',
}

export interface Conversation {
  /**
   * Sends one request. `read` parses an answer's body. Resolves to undefined where no answer came, or a certified one that cannot
   * be read. Throws SiteRefused where the client does not serve the job of the certificate, and then sends nothing more; OtherVersion
   * where it does not understand the coordinator.
   */
  send<T extends AnswerFrame>(
    body: object,
    seconds: number,
    read: (body: Uint8Array) => T | undefined,
  ): Promise<T | undefined>
  /** Answers that were ignored so far. */
  ignored(): number
}

type ConversationOptions = Pick<
  WorkerOptions,
  'client' | 'prefix' | 'bus' | 'key' | 'trust' | 'clock' | 'log' | 'mayServe' | 'version'
>

/** An answer that counts: the epoch and the version of the coordinator that gave it. Undefined: it cannot be read. */
interface Taken<T> {
  readonly by: number
  readonly version: number
  readonly answer: T | undefined
}

/** Opens the conversation of one life of a client. */
export function openConversation(options: ConversationOptions): Conversation {
  const { client, prefix, bus, key, trust, clock, version = CONVERSATION } = options
  const log = createLimitedLog(options.log, clock.now)
  const uid = uidOf(prefix)
  const check = certificateCheck({ uid, trust })
  let number = 0
  /** The newest coordinator that answered: requests are addressed to it. */
  let epoch = 0
  let ignored = 0
  let otherJob: FedsamError | undefined
  const ignore = (why: Ignored): false => {
    ignored += 1
    log(`an answer was ignored: ${WHY[why]}`)
    return false
  }

  /** One request to the coordinator with this epoch. The answer's body is undefined where it cannot be read. */
  const ask = async <T extends AnswerFrame>(
    body: Uint8Array,
    timeoutMs: number,
    read: (body: Uint8Array) => T | undefined,
  ): Promise<Taken<T> | undefined> => {
    number += 1
    const request = sealRequest(key, { uid, client }, { number, epoch, body })
    let taken: Taken<T> | undefined
    const accept = (message: Uint8Array): boolean => {
      const opened = openAnswer(message, { uid, client, request, check })
      if (opened.kind === 'Ignored') return ignore(opened.fault)
      if (options.mayServe?.(opened.certificate) === false) {
        otherJob = notServed(opened.certificate)
        return true
      }
      const answer = read(opened.body)
      const by = opened.certificate.epoch
      if (answer !== undefined && answer.epoch !== by) return ignore('WrongEpoch')
      // A coordinator of a later version may answer with a kind that nobody here knows. Its frame still names the version.
      taken = { by, answer, version: versionOf(answer ?? readAnswerFrame(opened.body) ?? { version }) }
      return true
    }
    try {
      await bus.request(clientSubject(prefix, client), request, {
        timeoutMs,
        inbox: clientInbox(prefix, client),
        accept,
      })
      return taken
    } catch (error) {
      if (error instanceof NoAnswer) return undefined
      throw error
    }
  }

  return {
    ignored: () => ignored,
    async send(fields, seconds, read) {
      for (let coordinators = 1; ; coordinators += 1) {
        const asked = epoch
        if (otherJob !== undefined) throw otherJob
        const found = await ask(encodeJson({ ...fields, version }), seconds * 1000, read)
        if (otherJob !== undefined) throw otherJob
        if (found === undefined) return undefined
        // A coordinator that the request was not addressed to only names itself: the request is repeated to it.
        if (found.by <= asked || coordinators === MOST_COORDINATORS) {
          checkVersions(client, { client: version, coordinator: found.version })
          return found.answer
        }
        epoch = Math.max(epoch, found.by)
      }
    },
  }
}

/** Throws OtherVersion where the client and the coordinator do not understand each other. */
function checkVersions(client: string, versions: Versions): void {
  if (areNear(versions)) return
  const { message, remedy } = versionsApart(versions)
  throw new FedsamError('OtherVersion', `${client} cannot take part: ${message}`, { remedy })
}

function notServed({ namespace, name }: CoordinatorCertificate): FedsamError {
  return new FedsamError(
    'SiteRefused',
    `the run belongs to the job ${namespace}/${name}, which this client does not serve`,
    {
      remedy: 'list the job in site.yaml, if the site is to take part in it',
    },
  )
}
