// Prints the table of docs/fidelity.md: how far each backend is from the reference, over all golden cases.
// Usage: node test/fidelity.ts [TensorFlow] [Wasm] [CPU]
import { type BackendName, loadBackend } from '#worker/tensorflow/backend.ts'
import { measureFederation } from './fidelity/federation.ts'
import {
  type Measurement,
  measurePredictions,
  measurePrompts,
  measureTraining,
  measureVision,
  openSubject,
} from './fidelity/measure.ts'

async function measureAll(backend: BackendName): Promise<Measurement[]> {
  const { tf } = await loadBackend({ prefer: backend })
  const measured: Measurement[] = []
  for (const name of ['tiny-a', 'tiny-b']) {
    const subject = await openSubject(tf, name)
    for (const measure of [measureVision, measurePrompts, measurePredictions, measureTraining])
      measured.push(...(await measure(subject)))
    subject.model.dispose()
  }
  return [...measured, ...(await measureFederation(tf))]
}

function largest(measured: readonly Measurement[], group: string, key: 'error' | 'allowed'): string {
  const values = measured.filter((one) => one.group === group).map((one) => one[key])
  return Math.max(...values).toExponential(1)
}

const named = process.argv.slice(2) as BackendName[]
const backends: BackendName[] = named.length > 0 ? named : ['TensorFlow', 'Wasm', 'CPU']
const columns: Measurement[][] = []
for (const backend of backends) columns.push(await measureAll(backend))
const groups = [...new Set(columns[0]!.map(({ group }) => group))]
console.log(
  `| largest error | ${backends.join(' | ')} | allowed |\n| --- |${' --- |'.repeat(backends.length + 1)}`,
)
for (const group of groups) {
  const reached = columns.map((measured) => largest(measured, group, 'error'))
  console.log(`| ${group} | ${reached.join(' | ')} | ${largest(columns[0]!, group, 'allowed')} |`)
}
