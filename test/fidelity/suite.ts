// The fidelity tests of one backend: every golden tensor within its allowed error, and no tensor left behind. A backend
// that cannot be loaded fails the test with the reason; nothing is skipped.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type BackendName, loadBackend } from '#worker/tensorflow/backend.ts'
import { measureFederation } from './federation.ts'
import {
  type Measurement,
  measurePredictions,
  measurePrompts,
  measureTraining,
  measureVision,
  openSubject,
} from './measure.ts'

export function testFidelity(backend: BackendName, cases: readonly string[]): void {
  for (const name of cases)
    test(`${backend}, ${name}: equal to the reference`, async (t) => {
      const { tf } = await loadBackend({ prefer: backend })
      const subject = await openSubject(tf, name)
      for (const measure of [measureVision, measurePrompts, measurePredictions, measureTraining])
        await t.test(measure.name, async () => assertWithin(await measure(subject)))
      subject.model.dispose()
    })
  test(`${backend}: federated rounds equal the reference`, async () => {
    const { tf } = await loadBackend({ prefer: backend })
    assertWithin(await measureFederation(tf))
  })
}

function assertWithin(measured: readonly Measurement[]): void {
  assert.ok(measured.length > 0)
  const beyond = measured.filter(({ error, allowed }) => !(error <= allowed))
  assert.deepEqual(beyond, [])
}
