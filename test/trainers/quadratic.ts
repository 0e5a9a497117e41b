// A trainer of milliseconds for tests of the rounds: each client pulls a vector towards a target of its own. In typed arrays,
// seeded, so that the same task has the same bytes in every process.
import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { readSafetensors, writeSafetensors } from '#protocol/safetensors.ts'
import type { Tensor } from '#protocol/tensors.ts'
import type { TrainerCall } from '#worker/trainer/seam.ts'
import type { TrainerWork } from '#worker/trainer/serve.ts'

export interface QuadraticOptions {
  readonly client: string
  /** Elements of the two tensors together. */
  readonly size: number
  /** Runs before each call: to count them, to make them late, to make them fail. */
  readonly before?: (call: 'get_parameters' | 'fit' | 'evaluate', round: number) => Promise<void> | void
  /** What fit says in place of the client's own number. */
  readonly numExamples?: number
  /** Keeps counts of its calls in a file, the client's state. They move the model, so a wrong state shows in its bytes. */
  readonly counts?: boolean | 'Always the same'
  /** In place of `quadratic-CLIENT`. */
  readonly dataset?: () => string
  /** Changes what fit has made: for clients that go wrong. */
  readonly spoil?: (tensors: Tensor[]) => Tensor[]
}

/** Seeded numbers in [-1, 1): a generator (mulberry32) that starts from the text's SHA-256. */
function numbers(text: string, count: number): Float32Array {
  let state = createHash('sha256').update(text).digest().readUInt32LE(0)
  const values = new Float32Array(count)
  // A loop: Float32Array.from with a function takes ten times as long.
  for (let i = 0; i < count; i += 1) {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    values[i] = ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 31 - 1
  }
  return values
}

const bytesOf = (values: Float32Array): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
const valuesOf = (tensor: Tensor): Float32Array => new Float32Array(Uint8Array.from(tensor.data).buffer)

/** Examples of a client: 1 to 16, by its name. */
export function examplesOf(client: string): number {
  return 1 + (createHash('sha256').update(client).digest()[0]! % 16)
}

function tensorsOf(size: number, fill: (name: string, count: number) => Float32Array): Tensor[] {
  const first = Math.ceil(size / 2)
  return [
    { name: 'bias', shape: [size - first], dtype: 'F32', data: bytesOf(fill('bias', size - first)) },
    { name: 'weight', shape: [first], dtype: 'F32', data: bytesOf(fill('weight', first)) },
  ]
}

/** One step of the local work on one tensor: half the way to the target, with a little seeded noise. */
function step(values: Float32Array, target: Float32Array, noise: Float32Array): Float32Array {
  return values.map((value, i) => value + 0.5 * (target[i]! - value) + 0.01 * noise[i]!)
}

/** The state of a trainer that counts. */
export interface Counts {
  readonly fits: number
  readonly evaluations: number
}

export const readCounts = (bytes: Uint8Array): Counts => JSON.parse(new TextDecoder().decode(bytes)) as Counts

/** Adds one call to the state's counts, where the trainer keeps any, and leaves the new state. */
async function counted(
  { state, state_output: output, call }: Extract<TrainerCall, { call: 'fit' | 'evaluate' }>,
  counts: QuadraticOptions['counts'] = false,
): Promise<{ shift: number; left: { state?: string } }> {
  if (counts === false) return { shift: 0, left: {} }
  if (output === undefined) throw new Error('the call names no state_output, and this trainer keeps a state')
  const { fits, evaluations } =
    state === undefined || counts === 'Always the same'
      ? { fits: 0, evaluations: 0 }
      : readCounts(await readFile(state))
  const next: Counts =
    call === 'fit' || counts === 'Always the same'
      ? { fits: fits + 1, evaluations }
      : { fits, evaluations: evaluations + 1 }
  await writeFile(output, JSON.stringify(next))
  return { shift: 0.01 * fits + 0.001 * evaluations, left: { state: output } }
}

/** The trainer's work. Loss is half the mean squared distance to the client's target. */
export function quadraticWork(options: QuadraticOptions): TrainerWork {
  const { client, size, before = () => {}, spoil = (tensors) => tensors } = options
  const target = (name: string, count: number): Float32Array => numbers(`target:${client}:${name}`, count)
  const examples = examplesOf(client)
  return {
    get dataset() {
      return options.dataset?.() ?? `quadratic-${client}`
    },
    backend: 'typed arrays',
    async getParameters(output) {
      await before('get_parameters', 0)
      await writeFile(
        output,
        writeSafetensors(tensorsOf(size, (name, count) => numbers(`initial:${name}`, count))),
      )
    },
    async fit(call, report) {
      const { tensors, output, config } = call
      const { shift, left } = await counted(call, options.counts)
      await before('fit', Number(config.server_round))
      const moved = readSafetensors(await readFile(tensors)).map((tensor) => {
        const values = valuesOf(tensor)
        const noise = numbers(`noise:${config.seed}:${tensor.name}`, values.length)
        return {
          ...tensor,
          data: bytesOf(
            step(values, target(tensor.name, values.length), noise).map((value) => value + shift),
          ),
        }
      })
      report(1, 1)
      await writeFile(output, writeSafetensors(spoil(moved)))
      const metrics = { train_loss: lossOf(moved, target) }
      return { num_examples: options.numExamples ?? examples, metrics, ...left }
    },
    async evaluate(call) {
      const { tensors, config } = call
      const { left } = await counted(call, options.counts)
      await before('evaluate', Number(config.server_round))
      const loss = lossOf(readSafetensors(await readFile(tensors)), target)
      return { loss, num_examples: examples, metrics: { closeness: 1 / (1 + loss) }, ...left }
    },
  }
}

function lossOf(tensors: readonly Tensor[], target: (name: string, count: number) => Float32Array): number {
  let sum = 0
  let count = 0
  for (const tensor of tensors) {
    const values = valuesOf(tensor)
    const wanted = target(tensor.name, values.length)
    for (let i = 0; i < values.length; i += 1) sum += (values[i]! - wanted[i]!) ** 2
    count += values.length
  }
  return sum / (2 * count)
}
