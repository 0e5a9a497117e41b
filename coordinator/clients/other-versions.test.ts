// Requests of clients whose version of the conversation the coordinator does not understand.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { encodeJson } from '#protocol/canonical.ts'
import { CONVERSATION } from '#protocol/version.ts'
import { ask, bodyOf, EPOCH, openedHandler, requestOf, send } from '#test/given/opened-handler.ts'
import { keyNamed } from '#test/given/signed.ts'
import { until } from '#test/until.ts'
import { pinnedKeys } from '../record/client-keys.ts'

describe('a request of a version that is two apart', () => {
  const [EARLY, LATE] = [CONVERSATION - 2, CONVERSATION + 2]
  /** A later version may have other kinds, and other fields in place of those that are known here. */
  const strange = (version: unknown, more: object = {}): Uint8Array =>
    encodeJson({ kind: 'sync', client: 'a', incarnation: 'i', version, ...more })

  test('is refused with both versions; the client is heard, but not online, and its key is not in the record', async () => {
    for (const [version, body] of [
      [EARLY, bodyOf('a', { version: EARLY })],
      [LATE, strange(LATE)],
    ] as const) {
      const { bus, events, presence, store, close } = await openedHandler()
      const answer = await send(bus, 'a', requestOf('a', { body }))
      const versions = `version ${version} of the conversation and the coordinator version ${CONVERSATION}`
      assert.ok(answer?.kind === 'refused' && answer.reason.includes(versions), JSON.stringify(answer))
      assert.match(answer.reason, version < CONVERSATION ? /upgrade the client/ : /upgrade the federation/)
      const message = answer.reason
      assert.deepEqual(events, [{ event: 'ClientRefused', client: 'a', reason: 'OtherVersion', message }])
      assert.deepEqual([presence.isHeard('a'), presence.isOnline('a')], [true, false])
      const absence = { client: 'a', outcome: 'Refused', reason: 'OtherVersion', message }
      assert.deepEqual(presence.absence('a'), absence)
      assert.deepEqual(await pinnedKeys(store, 'a'), [])
      await close()
    }
  })

  test('does nothing where its signature does not fit, or somebody sends it again', async () => {
    const { bus, events, failures, presence, close } = await openedHandler()
    const body = strange(LATE)
    const forged = await send(bus, 'a', requestOf('b', { body }))
    assert.ok(forged?.kind === 'refused' && /no signature/.test(forged.reason))
    const earlier = requestOf('a', { body, epoch: EPOCH - 1 })
    assert.equal(
      (await send(bus, 'a', earlier))?.kind,
      'wait',
      'a recorded request to an earlier coordinator',
    )
    assert.deepEqual([presence.last('a'), events.length], [undefined, 1])
    const request = requestOf('a', { body })
    assert.equal((await send(bus, 'a', request))?.kind, 'refused')
    void send(bus, 'a', request).catch(() => {})
    await until('the second one is ignored', () => failures.length === 1)
    await close()
  })

  test('does not replace a client that is online, unless it has the key that the job names', async () => {
    const { bus, presence, close } = await openedHandler({ keys: { b: keyNamed('b').publicKey } })
    for (const client of ['a', 'b']) {
      void ask(bus, client)
      await until(`${client} is online`, () => presence.isOnline(client))
      const by = keyNamed(client === 'a' ? 'stranger' : 'b')
      const body = strange(LATE, { client })
      assert.equal((await send(bus, client, requestOf(client, { by, body })))?.kind, 'refused')
    }
    assert.deepEqual([presence.isOnline('a'), presence.isOnline('b')], [true, false])
    assert.equal(presence.last('b')?.version, LATE)
    await close()
  })

  test('for grants is refused, too, but says nothing about presence: the check of a site sends one', async () => {
    const { bus, events, presence, close } = await openedHandler({ keys: { b: keyNamed('b').publicKey } })
    void ask(bus, 'b')
    await until('b is online', () => presence.isOnline('b'))
    const body = encodeJson({ kind: 'grant', client: 'b', incarnation: 'check', version: LATE })
    const answer = await send(bus, 'b', requestOf('b', { body }))
    assert.ok(answer?.kind === 'refused' && answer.reason.includes(`version ${LATE}`))
    assert.equal(presence.isOnline('b'), true)
    assert.deepEqual(
      events.filter(({ event }) => event === 'ClientRefused'),
      [],
    )
    await close()
  })

  test('is answered as unreadable where its frame is, or its version is near', async () => {
    const { bus, close } = await openedHandler()
    for (const version of [undefined, CONVERSATION + 1, '9', -1, 9.5]) {
      const answer = await send(bus, 'a', requestOf('a', { body: strange(version) }))
      assert.ok(answer?.kind === 'refused' && !answer.reason.includes('version'), String(version))
    }
    await close()
  })
})
