// Replies to a message of a strategy's program: hands its content and the client's state to the trainer, and takes the bytes or the error
// that it replies. Bytes may be any; only the program reads them.
import { FedsamError } from '#protocol/errors.ts'
import { LONGEST_REASON, MOST_REPLY_BYTES } from '#protocol/exchange.ts'
import type { Task } from '#protocol/messages.ts'
import { shortened } from '#protocol/text.ts'
import { openForeign } from '../trainer/foreign-file.ts'
import type { Trainer } from '../trainer/seam.ts'
import { type StateOfTask, takeState, withState } from './client-state.ts'
import type { LocalOutcome } from './upload.ts'

export interface MessageToReply {
  readonly message: NonNullable<Task['message']>
  /** The file of the content. */
  readonly content: string
  /** Where the trainer writes the reply, and where it may leave a new state. */
  readonly output: string
  readonly left: string
  readonly state: StateOfTask | null
}

/** Throws TrainerFailed where the trainer fails, or leaves no regular file as its reply. */
export async function replyTo(
  trainer: Pick<Trainer, 'message'>,
  { message, content, output, left, state }: MessageToReply,
): Promise<Pick<LocalOutcome, 'update' | 'error'>> {
  const { kind, group, node } = message
  const { error, hasState } = await trainer.message(
    content,
    output,
    await withState({ kind, group, node }, state, left),
  )
  if (hasState) await takeState(state, left)
  if (error !== null) {
    return { update: null, error: { code: error.code, reason: shortened(error.reason, LONGEST_REASON) } }
  }
  const file = await openForeign(output, MOST_REPLY_BYTES, "the trainer's reply")
  if (file === undefined)
    throw new FedsamError('TrainerFailed', 'the trainer replied, and wrote no file', {
      remedy: 'write the reply to the path that the call names in output, before the answer',
    })
  return { update: { file, path: output, numExamples: 0, metrics: {} }, error: null }
}
