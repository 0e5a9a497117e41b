// The probe has the digest that coordinators grant, and its key is one that they parse.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sha256 } from './digest.ts'
import { parseKey, probeKey } from './keys.ts'
import { PROBE, probeBody } from './probe.ts'

test('the body has the size and the digest of its terms', () => {
  const body = probeBody()
  assert.deepEqual({ size: body.length, sha256: sha256(body) }, PROBE)
})

test('its key names its client, letter for letter', () => {
  assert.deepEqual(parseKey(probeKey('hospital-a')), { kind: 'Probe', client: 'hospital-a' })
  for (const key of ['probes/a/b.bin', 'probes/.bin', 'probes/A.bin', 'probes/a.bin/', 'probes/a.json'])
    assert.equal(parseKey(key), undefined, key)
})
