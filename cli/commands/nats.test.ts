// The commands for a NATS server in operator mode, for a named job.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { natsCommands } from './nats.ts'

const metadata = { name: 'brain', namespace: 'team', uid: '6f3a' }
const SPEC = { partitions: [{ name: 'a' }], trainer: {} }

test('the user of a job has the subjects of its run, and its file goes into the Secret that the job names', () => {
  const job = { metadata, spec: { ...SPEC, messaging: { nats: { credentialsSecretName: 'bus' } } } }
  const [note, add, generate, create] = natsCommands(job, 'TEAM')
  assert.match(note!, /^# /)
  const subjects = "'fedsam.team.6f3a.*.inbox.>,fedsam.team.6f3a.*.ask'"
  assert.equal(
    add,
    `nsc add user --account TEAM --name fedsam-team-brain --allow-pub ${subjects} --allow-sub ${subjects}`,
  )
  assert.equal(generate, 'nsc generate creds --account TEAM --name fedsam-team-brain > nats.creds')
  assert.equal(create, 'kubectl -n team create secret generic bus --from-file=nats.creds')
})

test('a job that names no Secret is refused, with the way to one', () => {
  assert.throws(() => natsCommands({ metadata, spec: SPEC }, 'TEAM'), {
    code: 'InvalidJob',
    remedy: /suspend: true and messaging\.nats\.credentialsSecretName/,
  })
})
