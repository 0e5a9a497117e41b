// Describes in which tensors two lists differ, in a text that fits into a status message. Pure.

import type { TensorSpec } from '#protocol/tensors.ts'
import { listed, shortened } from '#protocol/text.ts'

/** Tensors that the text names for each kind of difference. It counts the rest. */
const NAMED = 5
/** Characters of a tensor's name that the text shows. A name in a client's file may have any length. */
const LONGEST_NAME = 120

/** '' where names, shapes and dtypes are the same, in any order. */
export function tensorDifference(wanted: readonly TensorSpec[], found: readonly TensorSpec[]): string {
  const byName = new Map(found.map((tensor) => [tensor.name, tensor]))
  const known = new Set(wanted.map(({ name }) => name))
  const missing = wanted.filter(({ name }) => !byName.has(name)).map(({ name }) => short(name))
  const extra = found.filter(({ name }) => !known.has(name)).map(({ name }) => short(name))
  const other = wanted.flatMap((tensor) => {
    const theirs = byName.get(tensor.name)
    if (theirs === undefined || form(theirs) === form(tensor)) return []
    return [`${short(tensor.name)} is ${form(theirs)} instead of ${form(tensor)}`]
  })
  return [enumerate('missing: ', missing), enumerate('not in the run: ', extra), enumerate('', other)]
    .filter((text) => text !== '')
    .join('; ')
}

function form({ dtype, shape }: TensorSpec): string {
  return short(`${dtype}[${shape.join(',')}]`)
}

function enumerate(label: string, items: readonly string[]): string {
  if (items.length === 0) return ''
  return `${label}${listed(items, NAMED)}`
}

const short = (text: string): string => shortened(text, LONGEST_NAME)
