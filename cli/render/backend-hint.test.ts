// The hint at native TensorFlow: once, and only for those who left the choice to FedSAM.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RunEvent } from '#protocol/events.ts'
import type { CompleteFederatedJobSpec } from '#protocol/generated/federatedjob.ts'
import { createBackendHint } from './backend-hint.ts'

const trainer = (type: string, backend: string): Pick<CompleteFederatedJobSpec, 'trainer'> =>
  ({ trainer: { type, segmentAnything: { backend } } }) as Pick<CompleteFederatedJobSpec, 'trainer'>
const joined = (backend: string): RunEvent => ({ event: 'ClientJoined', client: 'a', backend }) as RunEvent

test('the first client on WebAssembly brings the command, and no other one', () => {
  const hint = createBackendHint(trainer('SegmentAnything', 'Auto'), 'node build.ts')
  assert.equal(hint(joined('TensorFlow')), undefined)
  assert.match(hint(joined('Wasm')) ?? '', /WebAssembly.*once: node build\.ts$/)
  assert.equal(hint(joined('Wasm')), undefined)
})

test('a job that asks for WebAssembly, or has its own program, gets no hint', () => {
  for (const spec of [trainer('SegmentAnything', 'Wasm'), trainer('Command', 'Auto')]) {
    assert.equal(createBackendHint(spec, 'x')(joined('Wasm')), undefined)
  }
})
