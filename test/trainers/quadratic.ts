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
  /** Seconds that a fit takes; for stragglers. */
  readonly seconds?: number
}

/** Seeded numbers in [-1, 1): one per element, from SHA-256 of the text. */
function numbers(text: string, count: number): Float32Array {
  const out = new Float32Array(count)
  for (let at = 0; at < count; at += 8) {
    const digest = createHash('sha256').update(`${text}:${at}`).digest()
    for (let i = 0; i < 8 && at + i < count; i += 1) out[at + i] = digest.readUInt32LE(i * 4) / 2 ** 31 - 1
  }
  return out
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
export function quadraticWork({ client, size, seconds = 0 }: QuadraticOptions): TrainerWork {
  const target = (name: string, count: number): Float32Array => numbers(`target:${client}:${name}`, count)
  const examples = examplesOf(client)
  return {
    dataset: `quadratic-${client}`,
    backend: 'typed arrays',
    async getParameters(output) {
      await writeFile(
        output,
        writeSafetensors(tensorsOf(size, (name, count) => numbers(`initial:${name}`, count))),
      )
    },
    async fit({ tensors, output, config }, report) {
      const moved = readSafetensors(await readFile(tensors)).map((tensor) => {
        const values = valuesOf(tensor)
        const noise = numbers(`noise:${config.seed}:${tensor.name}`, values.length)
        return { ...tensor, data: bytesOf(step(values, target(tensor.name, values.length), noise)) }
      })
      report(1, 1)
      if (seconds > 0) await new Promise((resolve) => setTimeout(resolve, seconds * 1000))
      await writeFile(output, writeSafetensors(moved))
      return { num_examples: examples, metrics: { train_loss: lossOf(moved, target) } }
    },
    async evaluate({ tensors }) {
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
    values.forEach((value, i) => {
      sum += (value - wanted[i]!) ** 2
    })
    count += values.length
  }
  return sum / (2 * count)
}
