// Which requests a coordinator answers, and that those of unknown senders leave no trace in it. The tests send real requests over an
// in-process bus.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { encodeJson } from '#protocol/canonical.ts'
import { clientKeyKey } from '#protocol/keys.ts'
import { clientSubject } from '#protocol/messages.ts'
import {
  ask,
  bodyOf,
  EPOCH,
  LONG,
  openedHandler,
  PREFIX,
  requestOf,
  send,
} from '#test/given/opened-handler.ts'
import { keyNamed } from '#test/given/signed.ts'
import { until } from '#test/until.ts'
import { openClientKeys, pinnedKeys } from '../record/client-keys.ts'

describe('an unknown sender', () => {
  test('with 5,000 names is refused under each name, and no event reports it', async () => {
    const { bus, events, presence, close } = await openedHandler()
    for (let i = 0; i < 5000; i += 1) {
      const answer = await ask(bus, `stranger-${i}`)
      assert.equal(answer?.kind, 'refused')
    }
    assert.deepEqual(events, [])
    assert.equal(presence.last('stranger-7'), undefined)
    await close()
  })

  test('with a name of 2,000 characters is refused with a short reason', async () => {
    const { bus, events, close } = await openedHandler()
    const answer = await ask(bus, 'x'.repeat(2000))
    assert.ok(answer?.kind === 'refused' && answer.reason.length < 300)
    assert.deepEqual(events, [])
    await close()
  })

  test('that names one client on the subject of another is refused', async () => {
    const { bus, events, close } = await openedHandler()
    const answer = await send(bus, 'a', requestOf('a', { body: bodyOf('b') }))
    assert.equal(answer?.kind, 'refused')
    const own = await send(bus, 'a', requestOf('b'))
    assert.ok(own?.kind === 'refused' && /no signature/.test(own.reason))
    assert.deepEqual(
      events.map(({ event }) => event),
      ['ClientRefused'],
    )
    await close()
  })

  test('that sends other bytes than a request is refused', async () => {
    const { bus, events, close } = await openedHandler()
    const junk = new TextEncoder().encode('['.repeat(2 ** 20))
    for (const request of [junk, bodyOf('a'), requestOf('a', { body: junk.subarray(0, 2 ** 19) })])
      assert.equal((await send(bus, 'a', request))?.kind, 'refused')
    const message = 'the request has no signature that fits it'
    assert.deepEqual(
      events,
      [{ event: 'ClientRefused', client: 'a', reason: 'BadSignature', message }],
      'once a minute',
    )
    await close()
  })
})

describe('a client', () => {
  test('has one open request: a newer one ends the older one', async () => {
    const { bus, close } = await openedHandler()
    const older = ask(bus, 'a')
    const newer = ask(bus, 'a')
    assert.deepEqual(await older, { kind: 'wait', epoch: EPOCH, reason: '' })
    await close()
    assert.equal((await newer)?.kind, 'wait')
  })

  test('that sends too many requests is not answered until time has passed; other clients are', async () => {
    const { bus, failures, time, close } = await openedHandler()
    const subject = clientSubject(PREFIX, 'a')
    let answered = 0
    const flood = Array.from({ length: 2500 }, () =>
      bus.request(subject, requestOf('a', { body: bodyOf('b') }), LONG).then(
        () => {
          answered += 1
        },
        () => {},
      ),
    )
    await until('the handler has judged every request', () => answered + failures.length === flood.length)
    assert.equal(answered, 2000)
    assert.equal(failures.length, 500)
    const foreign = async (client: string, other: string) =>
      (await send(bus, client, requestOf(client, { body: bodyOf(other) })))?.kind
    assert.equal(await foreign('b', 'a'), 'refused')
    time.now += 1
    assert.equal(await foreign('a', 'b'), 'refused')
    await close()
  })
})

describe('a request', () => {
  test('to a coordinator that the client does not know gets its certificate, and changes nothing', async () => {
    const { bus, events, presence, store, close } = await openedHandler()
    for (const epoch of [0, EPOCH - 1]) {
      const answer = await send(bus, 'a', requestOf('a', { epoch }))
      assert.deepEqual(answer, { kind: 'wait', epoch: EPOCH, reason: '' })
    }
    assert.equal(presence.last('a'), undefined)
    assert.deepEqual(events, [])
    assert.equal(await store.size(clientKeyKey('a', 1)), undefined)
    await close()
  })

  test('to a newer coordinator gets no answer; the store is asked for that one once a second at most', async () => {
    const { bus, failures, presence, askedStore, time, close } = await openedHandler()
    const boast = requestOf('a', { epoch: 2 ** 53 - 1 })
    for (let i = 0; i < 100; i += 1) void bus.request(clientSubject(PREFIX, 'a'), boast, LONG).catch(() => {})
    await until('every request was judged', () => failures.length === 100)
    assert.equal(askedStore(), 1)
    time.now += 1
    void bus.request(clientSubject(PREFIX, 'a'), boast, LONG).catch(() => {})
    await until('one more was judged', () => failures.length === 101)
    assert.equal(askedStore(), 2)
    assert.equal(presence.last('a'), undefined)
    await close()
  })

  test('that comes again gets no answer, and is not acted on', async () => {
    const { bus, failures, presence, close } = await openedHandler()
    const leaving = requestOf('a', { body: bodyOf('a', { have: { state: 'Leaving' } }) })
    assert.equal((await send(bus, 'a', leaving))?.kind, 'wait')
    const held = ask(bus, 'a')
    await until('the client is back', () => presence.last('a')?.have.state === 'Idle')
    void bus.request(clientSubject(PREFIX, 'a'), leaving, LONG).catch(() => {})
    await until('the repeated request was judged', () => failures.length === 1)
    assert.match(String(failures[0]), /a sent its request \d+ before/)
    assert.equal(presence.last('a')?.have.state, 'Idle')
    await close()
    assert.equal((await held)?.kind, 'wait')
  })

  test('of a new key adds the key to the record; the keys before it stay', async () => {
    const { bus, store, close } = await openedHandler()
    const have = { state: 'Leaving' }
    for (const name of ['one', 'two', 'one']) {
      const change = { by: keyNamed(name), body: bodyOf('a', { have }) }
      assert.equal((await send(bus, 'a', requestOf('a', change)))?.kind, 'wait')
    }
    const pinned = (await pinnedKeys(store, 'a')).map(({ key }) => key)
    assert.deepEqual(pinned, [keyNamed('one').publicKey, keyNamed('two').publicKey])
    const keys = openClientKeys(store)
    assert.equal(await keys.has('a', keyNamed('two').publicKey), true)
    assert.equal(await keys.has('b', keyNamed('two').publicKey), false)
    await close()
  })

  test('of a site counts with the key that the job names, and with no other, from the first word on', async () => {
    const keys = { a: keyNamed('a').publicKey }
    const { bus, events, presence, store, close } = await openedHandler({ keys })
    const leaving = bodyOf('a', { have: { state: 'Leaving' } })
    const wrong = requestOf('a', { by: keyNamed('thief'), body: leaving })
    const refused = await send(bus, 'a', wrong)
    assert.ok(refused?.kind === 'refused' && /the job names another key for a/.test(refused.reason))
    assert.deepEqual(
      events.map(({ event }) => event),
      ['ClientRefused'],
    )
    assert.equal(presence.last('a'), undefined)
    assert.equal(await store.size(clientKeyKey('a', 1)), undefined, 'no key was pinned')
    assert.equal((await send(bus, 'a', requestOf('a', { body: leaving })))?.kind, 'wait')
    assert.deepEqual(
      (await pinnedKeys(store, 'a')).map(({ key }) => key),
      [keys.a],
    )
    await close()
  })

  test('of a site with the key that the job named before is refused at once; a key of nobody admits nobody', async () => {
    const keys: Record<string, string> = { a: keyNamed('a').publicKey }
    const { bus, presence, close } = await openedHandler({ keys })
    const grant = encodeJson({
      kind: 'grant',
      client: 'a',
      incarnation: 'i',
      wants: [{ kind: 'Read', key: 'run.json' }],
    })
    const leaving = bodyOf('a', { have: { state: 'Leaving' } })
    assert.equal((await send(bus, 'a', requestOf('a', { body: leaving })))?.kind, 'wait')
    assert.equal(presence.isOnline('a'), true)
    for (const key of [keyNamed('next').publicKey, '']) {
      keys.a = key
      assert.equal(presence.isOnline('a'), false, 'the client with the earlier key is not there')
      for (const body of [grant, leaving])
        assert.equal((await send(bus, 'a', requestOf('a', { body })))?.kind, 'refused')
    }
    await close()
  })

  test('is heard while the store is away; rights to write need the key in the record', async () => {
    const { bus, failures, presence, store, close } = await openedHandler({ storeIsAway: true })
    const body = bodyOf('a', { have: { state: 'Leaving' } })
    assert.equal((await send(bus, 'a', requestOf('a', { body })))?.kind, 'wait')
    assert.equal(presence.last('a')?.have.state, 'Leaving')
    const wants = [{ kind: 'Read', key: 'run.json' }]
    const grant = encodeJson({ kind: 'grant', client: 'a', incarnation: 'i', wants })
    void bus.request(clientSubject(PREFIX, 'a'), requestOf('a', { body: grant }), LONG).catch(() => {})
    await until('the request for grants was judged', () => failures.length === 1)
    assert.match(String(failures[0]), /the store is away/)
    assert.equal(await store.size(clientKeyKey('a', 1)), undefined)
    await close()
  })

  test('that reports ignored answers reaches observers once a minute while the count grows', async () => {
    const { bus, events, time, close } = await openedHandler()
    const report = async (ignored: number) => {
      const body = bodyOf('a', { ignored, have: { state: 'Leaving' } })
      await send(bus, 'a', requestOf('a', { body }))
    }
    const counts = () => events.flatMap((event) => (event.event === 'AnswersIgnored' ? [event.count] : []))
    for (const ignored of [0, 3, 4]) await report(ignored)
    assert.deepEqual(counts(), [3])
    time.now += 60
    for (const ignored of [3, 9, 9]) await report(ignored)
    assert.deepEqual(counts(), [3, 9])
    await close()
  })
})
