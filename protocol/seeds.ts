// Everything random derives from spec.seed through one hash, so that a run made again draws the same numbers.
import { sha256 } from './digest.ts'

/** H(seed, parts…): 64 hexadecimal digits. Parts are joined unambiguously. */
export function deriveSeed(seed: number, ...parts: readonly (string | number)[]): string {
  return sha256(JSON.stringify([seed, ...parts]))
}

/** The seed of a client's local work in a round. Not of the attempt: an update of an abandoned attempt stays valid. */
export function localSeed(seed: number, round: number, client: string): string {
  return deriveSeed(seed, 'local', round, client)
}

/** The seed of a strategy's program, from which its own random numbers follow. */
export function programSeed(seed: number): string {
  return deriveSeed(seed, 'program')
}

/** A client's node in a Program run: 63 bits of a digest, in decimal, so that a run made again has the same nodes. */
export function nodeOf(seed: number, run: string, client: string): string {
  return (BigInt(`0x${deriveSeed(seed, 'node', run, client).slice(0, 16)}`) >> 1n).toString()
}

/** The clients in the seeded order of a round's attempt, best first: by H(seed, round, attempt, name). */
export function rankClients(
  seed: number,
  round: number,
  attempt: number,
  clients: readonly string[],
): string[] {
  return clients
    .map((name) => ({ name, rank: deriveSeed(seed, 'rank', round, attempt, name) }))
    .sort((a, b) => (a.rank < b.rank ? -1 : 1))
    .map(({ name }) => name)
}
