// Uploads of an update whose file still changes: they fail with a reason, and without a receipt.
import assert from 'node:assert/strict'
import { appendFile, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { attemptKeys } from '#protocol/keys.ts'
import type { Granted, Task, Want } from '#protocol/messages.ts'
import { writeSafetensors } from '#protocol/safetensors.ts'
import { createReusedBuffer } from '#runtime/reused-buffer.ts'
import { createMemoryStore } from '#test/given/memory-store.ts'
import { keyNamed } from '#test/given/signed.ts'
import { vector } from '#test/payloads.ts'
import { createGrantedTransfers } from '#transport/grants/transfers.ts'
import { openUpdate } from './canonical-update.ts'
import { uploadOutcome } from './upload.ts'

let folder: string
let path: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fedsam-transfers-'))
  path = join(folder, 'update.safetensors')
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const TASK: Task = {
  kind: 'Initialise',
  round: 0,
  attempt: 1,
  epoch: 1,
  base: null,
  evaluate: false,
  config: {},
  seed: '5'.repeat(64),
}

/** Uploads an update of `floats` floats and its receipt. `meddle` runs when the worker asks for the first grants. */
async function uploadFloats(floats: number, meddle: () => Promise<unknown>): Promise<'Uploaded'> {
  await writeFile(path, writeSafetensors([vector('w', 'F32', new Float32Array(floats))]))
  const store = createMemoryStore()
  const file = await openUpdate(path, null)
  const grant = async (want: Want): Promise<Granted> => {
    switch (want.kind) {
      case 'OpenUpload':
        return { kind: 'Upload', upload: await store.openUpload(want.key), parts: [] }
      case 'Part':
        return { kind: 'Grant', grant: await store.grantPart(want.key, want.upload, want, 60) }
      case 'CompleteUpload': {
        const parts = await store.uploadedParts(want.key, want.upload)
        return { kind: 'Completed', written: await store.completeUpload(want.key, want.upload, parts) }
      }
      case 'Write':
        return { kind: 'Grant', grant: await store.grantWrite(want.key, want, 60) }
      default:
        return { kind: 'Refused', reason: 'nothing to read' }
    }
  }
  let isFirst = true
  try {
    await uploadOutcome(
      {
        update: { file, path, numExamples: 1, metrics: {} },
        evaluation: null,
        notEvaluated: null,
        state: null,
      },
      {
        task: TASK,
        client: 'a',
        incarnation: 'i',
        prefix: 'run',
        key: keyNamed('a'),
        dataset: '',
        states: '',
        async ask(wants) {
          if (isFirst) await meddle()
          isFirst = false
          return Promise.all(wants.map(grant))
        },
        transfers: createGrantedTransfers({ memory: store }),
        buffer: createReusedBuffer(),
        stored: new Set(),
        signal: new AbortController().signal,
      },
    )
    assert.notEqual(await store.size(attemptKeys(0, 1).receipt('a')), undefined)
    return 'Uploaded'
  } catch (error) {
    assert.equal(await store.size(attemptKeys(0, 1).receipt('a')), undefined)
    throw error
  } finally {
    await file.close()
  }
}

/** One update that is uploaded in one piece, and one in parts (36 MB). */
for (const floats of [1000, 9_000_000]) {
  describe(`an update of ${floats} floats`, () => {
    test('is uploaded', async () => assert.equal(await uploadFloats(floats, async () => {}), 'Uploaded'))

    test('that grows during the upload gets no receipt', async () => {
      await assert.rejects(
        uploadFloats(floats, () => appendFile(path, 'more')),
        {
          code: 'TrainerFailed',
          message: /changed while it was read/,
        },
      )
    })

    test('that shrinks during the upload gets no receipt', async () => {
      await assert.rejects(
        uploadFloats(floats, () => truncate(path, 100)),
        {
          code: 'TrainerFailed',
          message: /became shorter while it was read|changed while it was read/,
        },
      )
    })

    test('whose path another file takes is uploaded unchanged', async () => {
      const swap = async (): Promise<void> => {
        await rm(path)
        await writeFile(path, 'root:x:0:0')
      }
      assert.equal(await uploadFloats(floats, swap), 'Uploaded')
    })
  })
}
