// A trainer that replies to messages, in this process: what adds.mjs is as a program. It adds its place to the number that it gets. Its state
// counts the messages; from the second one on it adds 10, so a lost state changes the numbers.
import { readFile, writeFile } from 'node:fs/promises'
import { FedsamError } from '#protocol/errors.ts'
import type { TrainerCall } from '#worker/trainer/seam.ts'
import type { TrainerWork } from '#worker/trainer/serve.ts'

type MessageCall = Extract<TrainerCall, { call: 'message' }>

export interface AdderOptions {
  readonly place: number
  /** Runs before each reply; what it returns is the reply in place of the sum. */
  readonly before?: (call: MessageCall) => Promise<Answer> | Answer
}

type Answer = Awaited<ReturnType<NonNullable<TrainerWork['message']>>> | undefined

export function adderWork({ place, before = () => {} }: AdderOptions): TrainerWork {
  const no = async (): Promise<never> => {
    throw new FedsamError('TrainerFailed', 'this trainer answers messages alone')
  }
  return {
    ...{ dataset: '', backend: '', getParameters: no, fit: no, evaluate: no },
    async message(call) {
      const answer = await before(call)
      if (answer !== undefined) return answer
      const met = call.state === undefined ? 0 : Number(await readFile(call.state, 'utf8'))
      const number = Number(await readFile(call.content, 'utf8'))
      await writeFile(call.output, String(number + place + (met > 0 ? 10 : 0)))
      await writeFile(call.state_output!, String(met + 1))
      return { state: call.state_output }
    },
  }
}
