// Golden tensors of test/golden/sam as plain numbers. They were made by Hugging Face transformers 5.23.0, PyTorch 2.15.0
// and MONAI 1.6.1 in 64-bit floats and stored as 32-bit ones (test/golden/sam/*/meta.json).
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { toFloat32 } from '#protocol/half.ts'
import { readSafetensors } from '#protocol/safetensors.ts'

/** Values of a golden file by name; asking for a name that is not there throws. */
export interface Golden {
  readonly names: readonly string[]
  values(name: string): Float32Array
}

/** The folder of a case: tiny-a, tiny-b, federated-tiny-a. */
export function goldenFolder(name: string): string {
  return fileURLToPath(new URL(`../golden/sam/${name}`, import.meta.url))
}

/** One safetensors file of a case. Integers become floats. */
export function readGolden(caseName: string, file: string): Golden {
  const tensors = new Map(
    readSafetensors(readFileSync(`${goldenFolder(caseName)}/${file}.safetensors`)).map((tensor) => [
      tensor.name,
      tensor,
    ]),
  )
  return {
    names: [...tensors.keys()],
    values(name) {
      const tensor = tensors.get(name)
      if (tensor === undefined) throw new Error(`${caseName}/${file} has no ${name}.`)
      if (tensor.dtype !== 'I64') return toFloat32(tensor)
      return Float32Array.from(new BigInt64Array(new Uint8Array(tensor.data).buffer), Number)
    },
  }
}

/** Largest absolute difference; Infinity where lengths differ or a value is not finite. */
export function largestDifference(found: ArrayLike<number>, wanted: ArrayLike<number>): number {
  if (found.length !== wanted.length) return Number.POSITIVE_INFINITY
  let largest = 0
  for (let i = 0; i < wanted.length; i++) {
    const difference = Math.abs(found[i]! - wanted[i]!)
    if (!(difference <= largest))
      largest = Number.isFinite(difference) ? difference : Number.POSITIVE_INFINITY
  }
  return largest
}

/** [n, C, G·G] → [n, G·G, C]: PyTorch's images to the rows used here. */
export function channelsLast(values: Float32Array, channels: number, cells: number): Float32Array {
  const rows = new Float32Array(values.length)
  for (let i = 0; i < values.length; i++) {
    const [cell, channel, image] = [
      i % cells,
      Math.floor(i / cells) % channels,
      Math.floor(i / cells / channels),
    ]
    rows[(image * cells + cell) * channels + channel] = values[i]!
  }
  return rows
}
