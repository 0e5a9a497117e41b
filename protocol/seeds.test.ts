import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { sha256 } from './digest.ts'
import { deriveSeed, localSeed, rankClients } from './seeds.ts'

describe('seeds', () => {
  test('are the SHA-256 of a JSON array: a run made again by another version draws the same', () => {
    assert.equal(deriveSeed(7, 'local', 1, 'a'), sha256('[7,"local",1,"a"]'))
    assert.equal(localSeed(7, 1, 'a'), deriveSeed(7, 'local', 1, 'a'))
  })

  test('join their parts without confusing them', () => {
    assert.notEqual(deriveSeed(1, 'a', 'bc'), deriveSeed(1, 'ab', 'c'))
    assert.notEqual(deriveSeed(1, '2'), deriveSeed(1, 2))
    assert.notEqual(deriveSeed(1, 'a,b'), deriveSeed(1, 'a', 'b'))
  })

  test('of local work do not depend on the attempt, and differ by run, round and client', () => {
    const seeds = [localSeed(1, 1, 'a'), localSeed(2, 1, 'a'), localSeed(1, 2, 'a'), localSeed(1, 1, 'b')]
    assert.equal(new Set(seeds).size, 4)
  })

  test('rank clients the same in any order of theirs', () => {
    const clients = Array.from({ length: 50 }, (_, i) => `site-${i}`)
    const ranked = rankClients(3, 1, 1, clients)
    assert.deepEqual(rankClients(3, 1, 1, [...clients].reverse()), ranked)
    assert.deepEqual([...ranked].sort(), [...clients].sort())
    assert.notDeepEqual(ranked, rankClients(3, 1, 2, clients))
  })
})
