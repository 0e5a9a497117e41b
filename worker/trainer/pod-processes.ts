// Measures the processor time of the trainer's container in a pod. The containers share no process namespace, so the script of the
// trainer's container (operator/reconcile/pods/trainer-script.ts) reads its /proc on request, and writes the text to the seam's
// folder. Each measurement reads the answer to the request before: it never waits. Without an answer it measures nothing.
import { join } from 'node:path'
import { SEAM_FILES } from '#protocol/seam-files.ts'
import {
  familyOf,
  type ProcessTimes,
  processorAccount,
  readStat,
  TICKS_PER_SECOND,
} from '#runtime/children/process-times.ts'
import { readForeignText } from './foreign-file.ts'

/** Longest text that is read, in bytes: some thousand processes. */
const LONGEST_TEXT = 2 ** 20

/** Measures one life of a trainer; `ask` requests the next text from the script. Requests have numbers from `first` on. */
export function podProcessorTime(
  folder: string,
  ask: (number: number) => void,
  first: number,
): () => Promise<number | undefined> {
  const account = processorAccount()
  let used: number | undefined
  let asked: number | undefined
  return async () => {
    const answer = asked === undefined ? undefined : await readAnswer(folder)
    if (answer !== undefined && answer.number === asked) used = account.add(answer.family) / TICKS_PER_SECOND
    // No request while the script still writes: it would have to start again.
    else if (asked !== undefined) return used
    asked = asked === undefined ? first : asked + 1
    ask(asked)
    return used
  }
}

async function readAnswer(folder: string): Promise<ProcessList | undefined> {
  const path = join(folder, SEAM_FILES.processes)
  try {
    return readProcessList((await readForeignText(path, LONGEST_TEXT, 'the list of processes')) ?? '')
  } catch {
    return undefined // The trainer can write to this folder: any other file in this place is not an answer.
  }
}

export interface ProcessList {
  /** The number of the request. */
  readonly number: number
  readonly family: ProcessTimes[]
}

/** The processes of the container, without the script's own; undefined for an incomplete text. */
export function readProcessList(text: string): ProcessList | undefined {
  const lines = text.trimEnd().split('\n')
  const head = /^answer (\d+) of (\d+) without (\d+)$/.exec(lines[0] ?? '')
  if (head === null || lines.length < 2 || lines.at(-1) !== 'end') return undefined
  const [number, root, reader] = head.slice(1).map(Number) as [number, number, number]
  const all = lines
    .slice(1, -1)
    .map(readStat)
    .filter((one) => one !== undefined)
    .filter(({ pid }) => pid !== reader)
  // Process 1 of the namespace: every process of the container is the trainer's.
  return { number, family: root === 1 ? all : familyOf(all, root) }
}
