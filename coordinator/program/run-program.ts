// Runs the program of a strategy until its result is recorded: one life after the other, each from its beginning in an empty folder. A life
// that a signal ended is followed by another, at most `restarts` times without a new exchange. Every other end fails the run.
import type { ProgramResult } from '#protocol/exchange.ts'
import { programSeed } from '#protocol/seeds.ts'
import type { Marked } from '../record/markers.ts'
import type { ProgramContext } from './context.ts'
import { type Conversation, type Heard, Overtaken, openConversation, type Said } from './conversation.ts'
import { endEarlierLives, failedBy, type Life, startLife } from './life.ts'
import { recordResult } from './result.ts'
import { emptyFolder } from './scratch.ts'
import { type Call, type LineToProgram, programFailed, WrongCall } from './seam.ts'

/** How a life ended. */
type Outcome =
  | { readonly kind: 'Recorded'; readonly result: Marked<ProgramResult> }
  /** `added`: exchanges that no earlier life had asked for. */
  | { readonly kind: 'Signal'; readonly why: string; readonly added: number }
  /** Another coordinator was faster; the program has no part in it. */
  | { readonly kind: 'Overtaken'; readonly why: string }

/** Throws RunFailed (ProgramFailed, ProgramDiffered), Interrupted, Superseded. */
export async function runProgram(context: ProgramContext): Promise<Marked<ProgramResult>> {
  const { rule, observe, markers } = context
  const heard: Heard = { waited: false, cleaned: false }
  let why = ''
  let restarts = 0
  for (let life = 1; ; life += 1) {
    observe({ event: 'ProgramStarted', life, recorded: await decidedExchanges(markers), why })
    const outcome = await live(context, heard)
    if (outcome.kind === 'Recorded') return outcome.result
    why = outcome.why
    if (outcome.kind === 'Overtaken') continue
    restarts = outcome.added > 0 ? 1 : restarts + 1
    if (restarts > rule.restarts)
      throw programFailed(
        `${why}; it was started ${life} times, and program.restarts is ${rule.restarts}`,
        'find out what ends it: a signal often means too little memory',
      )
  }
}

/** Exchanges whose decision the record has. */
export async function decidedExchanges({
  exchange,
}: Pick<ProgramContext['markers'], 'exchange'>): Promise<number> {
  for (let number = 1; ; number += 1) if ((await exchange(number)) === undefined) return number - 1
}

/** One life, from its start to its end. No process of it is left afterwards. */
async function live(context: ProgramContext, heard: Heard): Promise<Outcome> {
  const { program, fixed, guard, signal } = context
  await endEarlierLives(program)
  await emptyFolder(program.folder)
  let said: Said = { named: { round: null, of: null }, compares: false }
  const conversation = openConversation(context, heard, () => said)
  const start = { type: 'start', seed: programSeed(fixed.seed), scratch: program.folder } as const
  const life = startLife(context, start, (note) => {
    if (note.type === 'ready') {
      said = { ...said, compares: note.compares }
      return
    }
    const { round, of } = note
    said = { ...said, named: { round, of } }
    const { exchange } = conversation.position()
    context.observe({ event: 'ProgramRound', exchange, ...{ round, of } })
  })
  const stop = (): void => void life.kill()
  signal.addEventListener('abort', stop)
  try {
    for (;;) {
      const next = await life.next()
      guard.throwIfStopped()
      if (next.kind === 'Failed') throw failedBy(next)
      if (next.kind === 'Signal')
        return { kind: 'Signal', why: next.how, added: conversation.position().added }
      const result = await answer(context, life, conversation, {
        call: next.call,
        round: said.named.round,
      })
      if (result === undefined) continue
      await life.leave()
      return { kind: 'Recorded', result }
    }
  } catch (error) {
    if (!(error instanceof Overtaken)) throw error
    return { kind: 'Overtaken', why: 'another coordinator wrote the next exchange' }
  } finally {
    signal.removeEventListener('abort', stop)
    await life.kill()
  }
}

/** Answers one call. Resolves to the result where the call has recorded it. */
async function answer(
  context: ProgramContext,
  life: Life,
  conversation: Conversation,
  { call, round }: { readonly call: Call; readonly round: number | null },
): Promise<Marked<ProgramResult> | undefined> {
  if (call.call !== 'result') {
    const line = await orRefuse<LineToProgram>(life, call.id, () =>
      life.unlessFailed(call.call === 'clients' ? conversation.clients(call) : conversation.exchange(call)),
    )
    if (line !== undefined) life.answer(line)
    return undefined
  }
  const result = await orRefuse(life, call.id, () =>
    recordResult(context, call, conversation.position(), round),
  )
  if (result !== undefined) life.answer({ type: 'recorded', id: call.id })
  return result
}

/** Carries a call out; a call that is wrong is answered with an error, and the program decides what follows. */
async function orRefuse<T>(life: Life, id: number, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof WrongCall)) throw error
    life.answer({ type: 'error', id, code: 'WrongCall', message: error.message, remedy: error.remedy })
    return undefined
  }
}
