// The answers to "who is there", as the record keeps them: each list once, with how many times in a row the program got it. A program that
// runs again gets the same lists in the same order. Pure.
import { canonicalJson } from '#protocol/canonical.ts'
import type { Member, MemberList } from '#protocol/exchange.ts'
import { nodeOf } from '#protocol/seeds.ts'

/** The lists with one more answer. */
export function withAnswer(lists: readonly MemberList[], clients: readonly Member[]): MemberList[] {
  const last = lists.at(-1)
  if (last === undefined || canonicalJson(last.clients) !== canonicalJson(clients))
    return [...lists, { times: 1, clients: [...clients] }]
  return [...lists.slice(0, -1), { ...last, times: last.times + 1 }]
}

/**
 * The n-th answer (from 0) since the exchange before. A program that asks more often than before, because it asks until a time has passed,
 * gets the last list again; undefined where it did not ask before.
 */
export function recordedAnswer(lists: readonly MemberList[], n: number): readonly Member[] | undefined {
  let left = n
  for (const { times, clients } of lists) {
    if (left < times) return clients
    left -= times
  }
  return lists.at(-1)?.clients
}

/** A client as the program sees it. */
export function memberOf(
  { seed, name: run }: { readonly seed: number; readonly name: string },
  name: string,
  partition: number,
): Member {
  return { name, node: nodeOf(seed, run, name), partition }
}
