// A trainer of milliseconds for tests of the rounds: each client pulls a vector towards a target of its own. In typed arrays,
// seeded, so that the same task has the same bytes in every process.
import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { readSafetensors, writeSafetensors } from '#protocol/safetensors.ts'
import type { Tensor } from '#protocol/tensors.ts'
import type { TrainerWork } from '#worker/trainer/serve.ts'

export interface QuadraticOptions {
  readonly client: string
  /** Elements of the two tensors together. */
  readonly size: number
  /** Runs before each call: to count them, to make them late, to make them fail. */
  readonly before?: (call: 'get_parameters' | 'fit' | 'evaluate', round: number) => Promise<void> | void
  /** What fit says in place of the client's own number. */
  readonly numExamples?: number
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

/** The trainer's work. Loss is half the mean squared distance to the client's target. */
export function quadraticWork(options: QuadraticOptions): TrainerWork {
  const { client, size, before = () => {}, spoil = (tensors) => tensors } = options
  const target = (name: string, count: number): Float32Array => numbers(`target:${client}:${name}`, count)
  const examples = examplesOf(client)
  return {
    dataset: `quadratic-${client}`,
    backend: 'typed arrays',
    async getParameters(output) {
      await before('get_parameters', 0)
      await writeFile(
        output,
        writeSafetensors(tensorsOf(size, (name, count) => numbers(`initial:${name}`, count))),
      )
    },
    async fit({ tensors, output, config }, report) {
      await before('fit', Number(config.server_round))
      const moved = readSafetensors(await readFile(tensors)).map((tensor) => {
        const values = valuesOf(tensor)
        const noise = numbers(`noise:${config.seed}:${tensor.name}`, values.length)
        return { ...tensor, data: bytesOf(step(values, target(tensor.name, values.length), noise)) }
      })
      report(1, 1)
      await writeFile(output, writeSafetensors(spoil(moved)))
      return { num_examples: options.numExamples ?? examples, metrics: { train_loss: lossOf(moved, target) } }
    },
    async evaluate({ tensors, config }) {
      await before('evaluate', Number(config.server_round))
      const loss = lossOf(readSafetensors(await readFile(tensors)), target)
      return { loss, num_examples: examples, metrics: { closeness: 1 / (1 + loss) } }
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
