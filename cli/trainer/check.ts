// Checks a trainer program with the calls of a run, and reports a finding for each: its start, the three calls, a repeated call,
// a call that must fail, its progress, and its two ways to end.
import { copyFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { TRAINER_LIFE } from '#protocol/environment.ts'
import { FedsamError } from '#protocol/errors.ts'
import { type ChildProgram, spawnChild } from '#runtime/children/child-process.ts'
import { systemClock } from '#runtime/clock.ts'
import { sha256OfFile } from '#runtime/file-digest.ts'
import { launch, type Running } from '#worker/trainer/process.ts'
import { type Answer, parameterFields, type TrainerCall } from '#worker/trainer/seam.ts'
import { asRunHandsOut, readContents } from './contents.ts'
import { judgeEnding } from './endings.ts'
import {
  type Contents,
  type Finding,
  fine,
  judgeParameters,
  judgeRepetition,
  judgeUpdate,
  judgeWeight,
  note,
  wrong,
} from './findings.ts'

export interface CheckOptions {
  readonly program: ChildProgram
  /** The folder for its files. */
  readonly scratch: string
  readonly config: Readonly<Record<string, string>>
  /** Starts from this file instead of get_parameters. */
  readonly parameters: string | null
  readonly noProgressSeconds: number
  readonly log: (line: string) => void
  readonly say: (finding: Finding) => void
}

/** A longer call without a progress line gets a note about noProgressSeconds. Seconds. */
const LONG_CALL = 30

interface Bench extends CheckOptions {
  readonly running: Running
  /** Makes a call; undefined where it failed, after the finding was reported. */
  ask<T extends Answer['type']>(
    wanted: T,
    call: CallWithoutId,
  ): Promise<Extract<Answer, { type: T }> | undefined>
  readonly reported: { lines: number }
}

type CallWithoutId = TrainerCall extends infer C ? (C extends TrainerCall ? Omit<C, 'id'> : never) : never

/** Runs all checks and reports each finding at once. Resolves to whether the program has no fault. */
export async function checkTrainer(options: CheckOptions): Promise<boolean> {
  let sound = true
  const say = (finding: Finding): void => {
    if (finding.level === 'Wrong') sound = false
    options.say(finding)
  }
  const reported = { lines: 0 }
  const { program, noProgressSeconds, log } = options
  const life = { noProgressSeconds, log, clock: systemClock() }
  const running = launch(spawnChild(program, TRAINER_LIFE.life), life, () => {
    reported.lines += 1
  })
  const bench: Bench = { ...options, say, running, reported, ask: askOn(running, say) }
  try {
    if (!(await checkStart(bench))) return false
    await checkCalls(bench)
  } finally {
    running.kill('the check is over')
    await running.ended
  }
  for (const sign of ['EndOfInput', 'SIGTERM'] as const) {
    say(await judgeEnding(program, sign, noProgressSeconds))
  }
  return sound
}

function askOn(running: Running, say: (finding: Finding) => void): Bench['ask'] {
  let id = 0
  return async (wanted, call) => {
    id += 1
    try {
      const answer = await running.ask({ ...call, id } as TrainerCall)
      if (answer.type === wanted) return answer as Extract<Answer, { type: typeof wanted }>
      say(wrong(`${call.call} was answered with ${answer.type}`, `answer it with ${wanted}`))
    } catch (error) {
      say(failed(call.call, error))
    }
    return undefined
  }
}

function failed(what: string, error: unknown): Finding {
  if (!(error instanceof FedsamError)) throw error
  return wrong(`${what}: ${error.message}`, error.remedy)
}

async function checkStart({ running, say }: Bench): Promise<boolean> {
  const began = performance.now()
  try {
    const { backend, dataset } = await running.ready
    const seconds = ((performance.now() - began) / 1000).toFixed(1)
    say(fine(`ready after ${seconds} s${backend === '' ? '' : `: ${backend}`}`))
    if (dataset === '')
      say(note('the ready line has no dataset: send a digest of the data there, for the record'))
    return true
  } catch (error) {
    say(failed('the start', error))
    return false
  }
}

async function checkCalls(bench: Bench): Promise<void> {
  const start = await startingPoint(bench)
  if (start === undefined) return
  await checkEvaluate(bench, start)
  const first = await checkFit(bench, start, 'first')
  if (first === undefined) return
  const again = await checkFit({ ...bench, say: onlyTroubles(bench) }, start, 'second')
  if (again !== undefined) bench.say(judgeRepetition(first.contents, again.contents))
  if (first.state !== undefined) await checkStates(bench, start, [first.state, again?.state])
  await checkFailure(bench, start)
}

/** The second call began as the first one, so it leaves the same state; and the next call goes on from it. */
async function checkStates(
  bench: Bench,
  start: Start,
  [first, again]: readonly [first: string, again: string | undefined],
): Promise<void> {
  const [one, other] = await Promise.all([first, again ?? first].map((file) => sha256OfFile(file)))
  const size = (await stat(first)).size
  if (one === other) bench.say(fine(`fit left a state of ${size} bytes; the same call leaves the same one`))
  else
    bench.say(
      note('the same call of fit left another state: a run that was interrupted ends with other bytes'),
    )
  const given = { ...start.given, state: first }
  if ((await checkFit({ ...bench, say: onlyTroubles(bench) }, { ...start, given }, 'third')) !== undefined)
    bench.say(fine('fit went on from the state that it left'))
}

/** The inputs of the calls. */
interface Start {
  readonly contents: Contents
  /** The fields that `fit` and `evaluate` share. */
  readonly given: Omit<Extract<TrainerCall, { call: 'evaluate' }>, 'id' | 'call'>
}

/** Reports only faults the second time. */
const onlyTroubles =
  ({ say }: Bench) =>
  (finding: Finding): void => {
    if (finding.level === 'Wrong') say({ ...finding, text: `the second time, ${finding.text}` })
  }

async function startingPoint(bench: Bench): Promise<Start | undefined> {
  const { parameters, ask, say, config, scratch } = bench
  const base = join(scratch, 'base.safetensors')
  if (parameters !== null) await copyFile(parameters, base)
  else if ((await ask('parameters', { call: 'get_parameters', output: base })) === undefined) return undefined
  if ((await contentsOf(base, say, judgeParameters)) === undefined) return undefined
  const { file, dtypes } = await asRunHandsOut(base, scratch)
  const given = { tensors: file, ...parameterFields({ config, dtypes }) }
  return { contents: await readContents(file), given }
}

async function contentsOf(
  path: string,
  say: (finding: Finding) => void,
  judge: (contents: Contents) => readonly Finding[],
): Promise<Contents | undefined> {
  try {
    const contents = await readContents(path)
    const findings = judge(contents)
    for (const finding of findings) say(finding)
    return findings.some(({ level }) => level === 'Wrong') ? undefined : contents
  } catch (error) {
    say(failed('the file', error))
    return undefined
  }
}

async function checkEvaluate({ ask, say, scratch }: Bench, { given }: Start): Promise<void> {
  const state_output = join(scratch, 'evaluated.state')
  const evaluated = await ask('evaluated', { call: 'evaluate', ...given, state_output })
  if (evaluated === undefined) return
  if ((await judgeState(say, evaluated.state, state_output)) === 'Wrong') return
  const { loss, num_examples: count } = evaluated
  if (count === 0)
    say(note('evaluate reports 0 examples: nothing is held out, so a run has no evaluation curves'))
  else if (Number.isInteger(count) && count > 0) say(fine(`evaluate: loss ${loss} of ${count} examples`))
  else say(wrong(`evaluate's num_examples is ${count}`, 'return a whole number, 0 where nothing is held out'))
}

async function checkFit(
  { ask, say, scratch, reported }: Bench,
  { contents, given }: Start,
  name: string,
): Promise<{ contents: Contents; state: string | undefined } | undefined> {
  const state_output = join(scratch, `${name}.state`)
  const output = join(scratch, `${name}.safetensors`)
  const before = reported.lines
  const began = performance.now()
  const fitted = await ask('fitted', { call: 'fit', ...given, output, state_output })
  if (fitted === undefined) return undefined
  if ((await judgeState(say, fitted.state, state_output)) === 'Wrong') return undefined
  say(judgeWeight(fitted.num_examples))
  const seconds = (performance.now() - began) / 1000
  const lines = reported.lines - before
  const took = `fit took ${seconds.toFixed(1)} s`
  if (lines > 0 || seconds < LONG_CALL) say(fine(`${took}, with ${lines} lines of progress`))
  else say(note(`${took} and wrote no progress line: set round.noProgressSeconds well above that`))
  const update = await contentsOf(output, say, (found) => judgeUpdate(contents, found))
  return update === undefined ? undefined : { contents: update, state: fitted.state }
}

/** Whether a call may leave this state: the file that the call named, written before the answer. */
async function judgeState(
  say: (finding: Finding) => void,
  answered: string | undefined,
  named: string,
): Promise<'Fine' | 'Wrong'> {
  if (answered === undefined) return 'Fine'
  const wrote = answered === named && (await stat(named).catch(() => undefined))?.isFile() === true
  if (wrote) return 'Fine'
  say(
    wrong(
      `a call answered the state ${answered}`,
      `write the state to state_output, here ${named}, and answer that path`,
    ),
  )
  return 'Wrong'
}

/** A call without its file must fail, and the trainer must keep running. */
async function checkFailure({ running, say, ask, scratch }: Bench, { given }: Start): Promise<void> {
  const stated = { ...given, state_output: join(scratch, 'never.state') }
  const nowhere = { ...stated, tensors: join(scratch, 'missing.safetensors') }
  const findings: Finding[] = []
  const asked = askOn(running, (finding) => findings.push(finding))
  const output = join(scratch, 'never.safetensors')
  const fitted = await asked('fitted', { call: 'fit', ...nowhere, output })
  if (fitted !== undefined) {
    say(
      wrong(
        'fit of a file that does not exist was answered as a success',
        'answer {"type": "error"} with its id',
      ),
    )
  } else if (running.hasEnded()) {
    say(
      note(
        'a failed call ends the program, which a run then restarts',
        'answer {"type": "error"} with its id',
      ),
    )
  } else if ((await ask('evaluated', { call: 'evaluate', ...stated })) !== undefined) {
    say(fine('the program reports a failed call, and answers the next one'))
  }
}
