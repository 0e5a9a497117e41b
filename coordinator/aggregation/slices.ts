// The positions of the parameters in a payload, and their division into slices. Pure. A payload is canonicalHeader(list), then each
// tensor's bytes, so all positions follow from the list. A slice is a range of bytes that cuts no element. Its pieces are its
// parts of single tensors.

import { canonicalHeader, layout } from '#protocol/safetensors.ts'
import { DTYPE_BYTES, type TensorList, type TensorSpec } from '#protocol/tensors.ts'

/** The layout of a tensor list in a file. Offsets count from the file's first byte. */
export interface PayloadLayout {
  readonly header: Uint8Array
  readonly tensors: readonly {
    readonly tensor: TensorList[number]
    readonly begin: number
    readonly end: number
  }[]
  readonly size: number
}

/** A part of one tensor: bytes [begin, end) of the file. `first` is the index of its first element in the tensor. */
export interface Piece {
  readonly tensor: TensorList[number]
  readonly begin: number
  readonly end: number
  readonly first: number
  readonly elements: number
}

/** Bytes [begin, end) of the file, and the pieces that tile them. */
export interface Slice {
  readonly begin: number
  readonly end: number
  readonly pieces: readonly Piece[]
}

/** The layout of a run's parameter list in its models and updates. */
export function payloadLayout(list: TensorList): PayloadLayout {
  const header = canonicalHeader(list.map(specOf))
  const tensors = layout(list).map(({ begin, end }, i) => {
    return { tensor: list[i]!, begin: header.length + begin, end: header.length + end }
  })
  return { header, tensors, size: tensors.at(-1)?.end ?? header.length }
}

function specOf({ name, shape, dtype }: TensorSpec): TensorSpec {
  return { name, shape, dtype }
}

/**
 * Cuts the parameters (the header excluded) at the multiples of `bytes` from the start of the file, each cut moved back
 * to where its element begins: with `bytes` a multiple of the digest block, neighbours share one block at most.
 */
export function slicesOf({ header, tensors, size }: PayloadLayout, bytes: number): Slice[] {
  const slices: Slice[] = []
  for (let begin = header.length; begin < size; begin = slices.at(-1)!.end) {
    let cut = begin - (begin % bytes)
    let slice: Slice
    do {
      cut += bytes
      slice = sliceUntil(tensors, begin, Math.min(cut, size))
    } while (slice.end === begin)
    slices.push(slice)
  }
  return slices
}

function sliceUntil(tensors: PayloadLayout['tensors'], begin: number, wanted: number): Slice {
  const pieces: Piece[] = []
  let end = begin
  for (const { tensor, begin: from, end: to } of tensors) {
    if (to <= begin) continue
    if (from >= wanted) break
    const width = DTYPE_BYTES[tensor.dtype]
    const start = Math.max(begin, from)
    const stop = from + Math.floor((Math.min(wanted, to) - from) / width) * width
    if (stop <= start) continue
    pieces.push({
      tensor,
      begin: start,
      end: stop,
      first: (start - from) / width,
      elements: (stop - start) / width,
    })
    end = stop
  }
  return { begin, end, pieces }
}
