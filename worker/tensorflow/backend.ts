// Chooses what TensorFlow.js computes on: native TensorFlow (GPU or CPU), WebAssembly, or plain JavaScript.
// Promises: an explicit choice is that backend or an error, never another one; Auto says what it took and why.
// Gradients are registered whatever the backend. Leaves building the native addon to addon/build.ts.
import { createRequire } from 'node:module'
import { dirname, sep } from 'node:path'
import util from 'node:util'
import { FedsamError } from '#protocol/errors.ts'

/** TensorFlow.js as the model uses it: tensors, kernels, gradients. */
export type TensorFlow = typeof import('@tensorflow/tfjs-core')

/** Backends by name, fastest first. */
export type BackendName = 'TensorFlow' | 'Wasm' | 'CPU'

/** A loaded backend. `reason` is one sentence for people: which backend, and why this one. */
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
 * Throws NoAccelerator where the preferred backend, or a required GPU, is not here.
 */
export async function loadBackend({
  prefer,
  requireGpu = false,
  threads = 1,
}: BackendOptions): Promise<Backend> {
  // Sums are cut by the number of threads, so gradients' last bits follow it: one thread gives the same bytes whatever
  // the number of cores (and small models only lose by more). libtensorflow reads these when it is loaded.
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
  throw new FedsamError('NoAccelerator', `No TensorFlow.js backend can be loaded. ${refusals.join(' ')}`)
}

const LOADERS: Readonly<Record<BackendName, (requireGpu: boolean) => Promise<Backend>>> = {
  TensorFlow: loadTensorFlow,
  Wasm: loadWasm,
  CPU: loadCpu,
}

async function loadTensorFlow(requireGpu: boolean): Promise<Backend> {
  // TensorFlow's own log would fill the terminal with notes about instruction sets.
  process.env.TF_CPP_MIN_LOG_LEVEL ??= '2'
  // Otherwise TensorFlow takes all memory of the GPU at once, even where other programs share the GPU.
  process.env.TF_FORCE_GPU_ALLOW_GROWTH ??= 'true'
  restoreRemovedNodeFunctions()
  let tf: TensorFlow
  try {
    tf = require('@tensorflow/tfjs-node-gpu') as TensorFlow
  } catch (cause) {
    throw new FedsamError('NoAccelerator', `Native TensorFlow is not here: ${firstLine(cause)}`, {
      cause,
      remedy: 'Run `node worker/tensorflow/addon/build.ts`, or set backend to Wasm.',
    })
  }
  tf.enableProdMode()
  if (!(await tf.setBackend('tensorflow')))
    throw new FedsamError('NoAccelerator', 'Native TensorFlow cannot be started.')
  const gpu = (tf.backend() as { isUsingGpuDevice?: boolean }).isUsingGpuDevice === true
  if (requireGpu && !gpu)
    throw new FedsamError('NoAccelerator', 'A GPU is required, and TensorFlow found none on this machine.', {
      remedy: 'Give the worker a GPU, or take the requirement away.',
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
  if (!(await tf.setBackend('wasm')))
    throw new FedsamError('NoAccelerator', 'The WebAssembly backend cannot be started.')
  return { tf, name: 'Wasm', gpu: false, reason: 'WebAssembly, on one core.' }
}

async function loadCpu(requireGpu: boolean): Promise<Backend> {
  refuseGpu(requireGpu, 'JavaScript')
  const tf = withGradients()
  require('@tensorflow/tfjs-backend-cpu')
  if (!(await tf.setBackend('cpu')))
    throw new FedsamError('NoAccelerator', 'The CPU backend cannot be started.')
  return { tf, name: 'CPU', gpu: false, reason: 'Plain JavaScript: for tests of tiny models only.' }
}

/** The umbrella package: tfjs-core by itself has no gradients registered. */
function withGradients(): TensorFlow {
  const tf = require('@tensorflow/tfjs') as TensorFlow
  // Production mode also keeps the CPU backend from printing an advertisement.
  tf.enableProdMode()
  return tf
}

function refuseGpu(required: boolean, what: string): void {
  if (required) throw new FedsamError('NoAccelerator', `A GPU is required, and ${what} does not use one.`)
}

function firstLine(error: unknown): string {
  const lines = (error instanceof Error ? error.message : String(error)).split('\n')
  return lines[0]?.trim() ?? ''
}
