// Which versions understand each other, and what each side says of the others.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { areNear, CONVERSATION, versionOf, versionsApart } from './version.ts'

test('versions that are at most one apart understand each other; a message without a version is of version 1', () => {
  const near = [-2, -1, 0, 1, 2].map((apart) =>
    areNear({ client: CONVERSATION + apart, coordinator: CONVERSATION }),
  )
  assert.deepEqual(near, [false, true, true, true, false])
  assert.deepEqual([versionOf({}), versionOf({ version: 7 })], [1, 7])
})

test('the program with the lower version is the one to upgrade; both versions are named', () => {
  const old = versionsApart({ client: 1, coordinator: 3 })
  assert.match(old.message, /client speaks version 1 .* coordinator version 3/)
  assert.equal(old.remedy, "upgrade the client's FedSAM")
  const late = versionsApart({ client: 4, coordinator: 2 })
  assert.match(late.message, /client speaks version 4 .* coordinator version 2/)
  assert.match(late.remedy, /^upgrade the federation's FedSAM/)
})
