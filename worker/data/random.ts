// Seeded random numbers: xoshiro128** on 32-bit integers, the same draws on every machine and backend.
// A generator is a value that one caller owns; nothing is shared. Source: Blackman and Vigna, "Scrambled linear
// pseudorandom number generators", 2018.
import { sha256 } from '#protocol/digest.ts'

export interface Random {
  /** A uniform integer from 0 to bound − 1; bound from 1 to 2^32. */
  below(bound: number): number
  /** A uniform number in [0, 1), 32 bits fine. */
  unit(): number
}

/** A generator for a seed of any form (usually 64 hexadecimal digits). */
export function randomFrom(seed: string): Random {
  const digest = sha256(seed)
  const word = (i: number): number => Number.parseInt(digest.slice(8 * i, 8 * i + 8), 16) | 0
  let [a, b, c, d] = [word(0), word(1), word(2), word(3)]
  const next = (): number => {
    const result = Math.imul(rotate(Math.imul(b, 5), 7), 9)
    const shifted = b << 9
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= shifted
    d = rotate(d, 11)
    return result >>> 0
  }
  return {
    below(bound) {
      // Draw again beyond the last whole multiple of the bound, so that every value is equally likely.
      const limit = 2 ** 32 - (2 ** 32 % bound)
      let draw = next()
      while (draw >= limit) draw = next()
      return draw % bound
    },
    unit: () => next() / 2 ** 32,
  }
}

function rotate(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits))
}

/** A shuffled copy (Fisher–Yates). */
export function shuffle<T>(items: readonly T[], random: Random): T[] {
  const shuffled = [...items]
  for (let i = shuffled.length - 1; i > 0; i--) {
    const j = random.below(i + 1)
    const moved = shuffled[i] as T
    shuffled[i] = shuffled[j] as T
    shuffled[j] = moved
  }
  return shuffled
}
