// Chooses the backend of TensorFlow.js: native TensorFlow (GPU or CPU), WebAssembly, or plain JavaScript. Guarantees that an
// explicit choice loads that backend or throws, that Auto gives the reason of its choice, and that every backend has gradients.
// addon/build.ts builds the native addon.
import { createRequire } from 'node:module'
import { dirname, sep } from 'node:path'
import util from 'node:util'
import { FedsamError } from '#protocol/errors.ts'

/** TensorFlow.js as the model uses it: tensors, kernels, gradients. */
export type TensorFlow = typeof import('@tensorflow/tfjs-core')

/** Backends by name, fastest first. */
export type BackendName = 'TensorFlow' | 'Wasm' | 'CPU'

/** A loaded backend. `reason` names it for users, and says why a faster one was not loaded. */
export interface Backend {
  readonly tf: TensorFlow
  readonly name: BackendName
  /** Whether it computes on a GPU. */
  readonly gpu: boolean
  readonly reason: string
}

const require = createRequire(import.meta.url)

/** What to load. `threads`: cores that native TensorFlow computes on (default 1). */
export interface BackendOptions {
  readonly prefer: 'Auto' | BackendName
  readonly requireGpu?: boolean
  readonly threads?: number
}

/**
 * Loads a backend into this process, once (TensorFlow.js has one active backend per process).
 * Throws NoAccelerator if this machine lacks the preferred backend, or a required GPU.
 */
export async function loadBackend({
  prefer,
  requireGpu = false,
  threads = 1,
}: BackendOptions): Promise<Backend> {
  // TensorFlow divides sums among its threads, so the last bits of gradients depend on their number. One thread gives the same
  // bytes on every machine, and more threads only slow small models. libtensorflow reads these variables when it is loaded.
  process.env.TF_NUM_INTRAOP_THREADS ??= String(threads)
  process.env.TF_NUM_INTEROP_THREADS ??= String(threads)
  if (prefer !== 'Auto') return LOADERS[prefer](requireGpu)
  const refusals: string[] = []
  for (const name of ['TensorFlow', 'Wasm', 'CPU'] as const) {
    try {
      const backend = await LOADERS[name](requireGpu)
      return { ...backend, reason: [backend.reason, ...refusals].join(' ') }
    } catch (error) {
      if (!(error instanceof FedsamError) || requireGpu) throw error
      refusals.push(error.message)
    }
  }
  throw new FedsamError('NoAccelerator', `No TensorFlow.js backend can be loaded. ${refusals.join(' ')}`, {
    remedy: 'Install the packages of FedSAM again.',
  })
}

const LOADERS: Readonly<Record<BackendName, (requireGpu: boolean) => Promise<Backend>>> = {
  TensorFlow: loadTensorFlow,
  Wasm: loadWasm,
  CPU: loadCpu,
}

async function loadTensorFlow(requireGpu: boolean): Promise<Backend> {
  // TensorFlow would log notes about instruction sets.
  process.env.TF_CPP_MIN_LOG_LEVEL ??= '2'
  // By default TensorFlow takes all memory of the GPU at once, even if other programs share the GPU.
  process.env.TF_FORCE_GPU_ALLOW_GROWTH ??= 'true'
  restoreRemovedNodeFunctions()
  let tf: TensorFlow
  try {
    tf = require('@tensorflow/tfjs-node-gpu') as TensorFlow
  } catch (cause) {
    throw new FedsamError('NoAccelerator', `Native TensorFlow cannot be loaded: ${firstLine(cause)}`, {
      cause,
      remedy: 'Run `node worker/tensorflow/addon/build.ts`, or set backend to Wasm.',
    })
  }
  tf.enableProdMode()
  if (!(await tf.setBackend('tensorflow'))) throw cannotStart('Native TensorFlow', 'Wasm')
  const gpu = (tf.backend() as { isUsingGpuDevice?: boolean }).isUsingGpuDevice === true
  if (requireGpu && !gpu)
    throw new FedsamError('NoAccelerator', 'A GPU is required, but TensorFlow found none on this machine.', {
      remedy: 'Give the worker a GPU, or set accelerator.whenUnseen to UseCPU.',
    })
  return { tf, name: 'TensorFlow', gpu, reason: `Native TensorFlow on the ${gpu ? 'GPU' : 'CPU'}.` }
}

/** tfjs-node calls functions of `util` that Node 23 removed (tfjs issue 8609); it looks them up when called. */
function restoreRemovedNodeFunctions(): void {
  const removed = util as { isNullOrUndefined?: unknown; isArray?: unknown }
  removed.isNullOrUndefined ??= (value: unknown) => value === null || value === undefined
  removed.isArray = Array.isArray
}

async function loadWasm(requireGpu: boolean): Promise<Backend> {
  refuseGpu(requireGpu, 'WebAssembly')
  const tf = withGradients()
  const wasm = require('@tensorflow/tfjs-backend-wasm') as typeof import('@tensorflow/tfjs-backend-wasm')
  wasm.setWasmPaths(
    dirname(require.resolve('@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm.wasm')) + sep,
  )
  if (!(await tf.setBackend('wasm'))) throw cannotStart('The WebAssembly backend', 'TensorFlow')
  return { tf, name: 'Wasm', gpu: false, reason: 'WebAssembly, on one core.' }
}

async function loadCpu(requireGpu: boolean): Promise<Backend> {
  refuseGpu(requireGpu, 'JavaScript')
  const tf = withGradients()
  require('@tensorflow/tfjs-backend-cpu')
  if (!(await tf.setBackend('cpu'))) throw cannotStart('The CPU backend', 'Wasm')
  return { tf, name: 'CPU', gpu: false, reason: 'Plain JavaScript: for tests of tiny models only.' }
}

/** Loads the complete package: tfjs-core alone registers no gradients. */
function withGradients(): TensorFlow {
  const tf = require('@tensorflow/tfjs') as TensorFlow
  // Production mode also keeps the CPU backend from printing an advertisement.
  tf.enableProdMode()
  return tf
}

function refuseGpu(required: boolean, what: string): void {
  if (!required) return
  throw new FedsamError('NoAccelerator', `A GPU is required, but ${what} does not use one.`, {
    remedy: 'Set backend to TensorFlow, or accelerator.whenUnseen to UseCPU.',
  })
}

function cannotStart(what: string, other: BackendName): FedsamError {
  return new FedsamError('NoAccelerator', `${what} cannot be started.`, {
    remedy: `Set backend to ${other}.`,
  })
}

function firstLine(error: unknown): string {
  const lines = (error instanceof Error ? error.message : String(error)).split('\n')
  return lines[0]?.trim() ?? ''
}
