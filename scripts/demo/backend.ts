// What the demo computes on: native TensorFlow where it is there or can be built, WebAssembly elsewhere, and why.
import { FedsamError } from '#protocol/errors.ts'
import { ensureTensorFlow } from '#worker/tensorflow/addon/build.ts'

export type DemoBackend = 'TensorFlow' | 'Wasm'

/** Chooses; `wanted` allows no other. Throws NoAccelerator. */
export async function chooseBackend(
  wanted: DemoBackend | undefined,
  log: (line: string) => void,
): Promise<{ readonly backend: DemoBackend; readonly reason: string }> {
  if (wanted === 'Wasm') return { backend: 'Wasm', reason: 'It was asked for.' }
  const { built, reason } = await ensureTensorFlow({ log })
  if (built) return { backend: 'TensorFlow', reason }
  if (wanted === 'TensorFlow') {
    throw new FedsamError('NoAccelerator', reason, {
      remedy: 'leave --backend out to compute with WebAssembly',
    })
  }
  return { backend: 'Wasm', reason }
}
