// The optimizer's moments as a client's state: a safetensors file with the number of steps, and one or two tensors for each trained one.
// Guarantees that moments come back bit for bit, and that a file which does not fit the trained tensors is refused and never guessed at.
import { FedsamError } from '#protocol/errors.ts'
import { readSafetensors, SafetensorsError, writeSafetensors } from '#protocol/safetensors.ts'
import type { Tensor } from '#protocol/tensors.ts'
import type { Moments, OptimizerSettings, OptimizerState } from '#worker/model/segment-anything/optimizer.ts'

const STEPS = 'steps'
const FIRST = 'first.'
const SECOND = 'second.'

/** The file's bytes. SGD has no second moments. */
export function writeOptimizerState(
  type: OptimizerSettings['type'],
  { steps, moments }: OptimizerState,
): Uint8Array {
  const names = [...moments.keys()].sort()
  return writeSafetensors([
    { name: STEPS, shape: [], dtype: 'I64', data: new Uint8Array(BigInt64Array.of(BigInt(steps)).buffer) },
    ...names.map((name) => vector(`${FIRST}${name}`, moments.get(name)!.first)),
    ...(type === 'SGD' ? [] : names.map((name) => vector(`${SECOND}${name}`, moments.get(name)!.second))),
  ])
}

function vector(name: string, values: Float32Array): Tensor {
  const data = new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
  return { name, shape: [values.length], dtype: 'F32', data }
}

/** The state in a file that `writeOptimizerState` wrote. `elements`: of each trained tensor. Throws TrainerFailed for any other file. */
export function readOptimizerState(
  type: OptimizerSettings['type'],
  bytes: Uint8Array,
  elements: ReadonlyMap<string, number>,
): OptimizerState {
  const tensors = new Map(tensorsOf(bytes).map((tensor) => [tensor.name, tensor]))
  const take = (name: string, dtype: Tensor['dtype'], count: number): Uint8Array => {
    const found = tensors.get(name)
    tensors.delete(name)
    if (found?.dtype !== dtype || found.data.length !== count * (dtype === 'I64' ? 8 : 4))
      throw unfit(`it has no ${name} of ${count} ${dtype}`)
    return Uint8Array.from(found.data)
  }
  const floats = (name: string, count: number): Float32Array =>
    new Float32Array(take(name, 'F32', count).buffer)
  const steps = Number(new BigInt64Array(take(STEPS, 'I64', 1).buffer)[0])
  if (!Number.isSafeInteger(steps) || steps < 1) throw unfit(`it counts ${steps} steps`)
  const moments = new Map<string, Moments>()
  const named = [...tensors.keys()]
    .filter((name) => name.startsWith(FIRST))
    .map((name) => name.slice(FIRST.length))
  for (const name of named) {
    const count = elements.get(name)
    if (count === undefined) throw unfit(`the trainer trains no ${name}`)
    const first = floats(`${FIRST}${name}`, count)
    const second = type === 'SGD' ? new Float32Array(count) : floats(`${SECOND}${name}`, count)
    moments.set(name, { first, second })
  }
  const [foreign] = tensors.keys()
  if (foreign !== undefined) throw unfit(`it also has ${foreign}`)
  return { steps, moments }
}

function tensorsOf(bytes: Uint8Array): Tensor[] {
  try {
    return readSafetensors(bytes)
  } catch (cause) {
    if (cause instanceof SafetensorsError) throw unfit(cause.message)
    throw cause
  }
}

function unfit(why: string): FedsamError {
  return new FedsamError(
    'TrainerFailed',
    `the client's state does not hold the moments of this optimizer: ${why}`,
    {
      remedy: 'start the job as a new run; its state belongs to another trainer',
    },
  )
}
