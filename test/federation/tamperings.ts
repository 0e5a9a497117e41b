// The table of programs that tamper with a finished record: what each changes, and the sentence by which verify and export name it.
import { sha256 } from '#protocol/digest.ts'
import { attemptKeys, epochKey, MANIFEST_KEY, outputKey, RUN_KEY, resultKey } from '#protocol/keys.ts'
import type { ClosedDecision, Manifest } from '#protocol/record.ts'
import { changed, markerOf, type Objects, renameReceipt, replaceModel } from './tampered.ts'

const ROUND = attemptKeys(3, 1)
/** The digest of the last result. */
export const head = (objects: Objects): string => sha256(objects.get(resultKey(4))!)
const payloadOf = (objects: Objects, client: string): string =>
  ROUND.payload(client, markerOf(objects, 'receipt', ROUND.receipt(client)).update!.upload)

function flip(objects: Objects, key: string): void {
  const bytes = Uint8Array.from(objects.get(key)!)
  bytes[bytes.length - 2]! ^= 1
  objects.set(key, bytes)
}

const manifest = (objects: Objects, change: (manifest: Manifest) => object): void =>
  changed(objects, 'manifest', MANIFEST_KEY, change)

/** Replaces a file of the output, and corrects its digest in the manifest. */
function replaceFile(objects: Objects, name: string, bytes: Uint8Array): void {
  objects.set(outputKey(name), bytes)
  manifest(objects, (had) => ({
    ...had,
    files: [
      ...had.files.filter((file) => file.name !== name),
      { name, size: bytes.length, sha256: sha256(bytes) },
    ],
  }))
}

const decide = (objects: Objects, change: (decision: ClosedDecision) => object): void =>
  changed(objects, 'decision', ROUND.decision, (decision) => change(decision as ClosedDecision))

const exchange = (objects: Objects, one: string, two: string): void => {
  const [a, b] = [objects.get(one)!, objects.get(two)!]
  objects.set(one, b).set(two, a)
}

/** Replaces all objects below a prefix by those of the other run. */
function transplant(objects: Objects, other: Objects, prefix: string): void {
  for (const key of [...objects.keys()]) if (key.startsWith(prefix)) objects.delete(key)
  for (const [key, bytes] of other) if (key.startsWith(prefix)) objects.set(key, bytes)
}

export interface Tampering {
  readonly what: string
  /** Changes the record; `other` is that of another run. */
  readonly tamper: (objects: Objects, other: Objects) => void
  /** All digests that follow are corrected, and the output is written again. */
  readonly consistent?: true
  /** The sentence of verify and export. */
  readonly says: RegExp
}

/** One byte of each kind of object. */
const BYTES: readonly (readonly [key: (objects: Objects) => string, says: RegExp])[] = [
  [() => RUN_KEY, /run\.json is not JSON|belongs to another run\.json/],
  [
    (o) => [...o.keys()].find((key) => /^base\/.*config\.json$/.test(key))!,
    /^base\/.* is not what run\.json names/m,
  ],
  [
    (o) => [...o.keys()].find((key) => /^base\/.*safetensors$/.test(key))!,
    /^base\/.* is not what run\.json names/m,
  ],
  [() => epochKey(1), /^coordinators\/1\.json/m],
  [() => ROUND.plan, /rounds\/3\/1\/plan\.json/],
  [() => ROUND.decision, /rounds\/3\/1\/decision\.json/],
  [() => ROUND.receipt('a'), /rounds\/3\/1\/updates\/a\.json/],
  [(o) => payloadOf(o, 'a'), /rounds\/3\/1\/updates\/a\/\w+\.safetensors/],
  [() => ROUND.model, /rounds\/3\/1\/model\.safetensors/],
  [() => ROUND.state, /rounds\/3\/1\/state\.safetensors/],
  [() => resultKey(2), /rounds\/2\/result\.json|rounds\/3\/result\.json/],
  ...[
    'model.safetensors',
    'config.json',
    'checkpoint/model.safetensors',
    'checkpoint/config.json',
    'metrics.json',
    'provenance.json',
    'README.md',
  ].map((name) => [() => outputKey(name), new RegExp(`^output/${name} is not what`, 'm')] as const),
  [() => MANIFEST_KEY, /^output\/manifest\.json/m],
]

const TEXT = new TextEncoder()

export const TAMPERINGS: readonly Tampering[] = [
  ...BYTES.map(([key, says], i) => ({
    what: `one byte of an object of kind ${i + 1}`,
    tamper: (objects: Objects) => flip(objects, key(objects)),
    says,
  })),
  {
    what: 'two rounds exchanged',
    tamper(objects) {
      for (const key of [...objects.keys()].filter((key) => key.startsWith('rounds/1/'))) {
        const twin = key.replace('rounds/1/', 'rounds/2/')
        if (objects.has(twin)) exchange(objects, key, twin)
      }
    },
    says: /^rounds\/1\/result\.json names round 2$/m,
  },
  {
    what: 'an update dropped from the decision',
    tamper: (objects) => decide(objects, (had) => ({ ...had, updates: had.updates.slice(1) })),
    says: /^rounds\/3\/1\/decision\.json is not what the result names$/m,
  },
  {
    what: 'an update dropped, and the chain corrected',
    tamper: (objects) => decide(objects, (had) => ({ ...had, updates: had.updates.slice(1) })),
    consistent: true,
    says: /^rounds\/3\/1\/decision\.json accepts the update of a, and does not count it$/m,
  },
  {
    what: 'an update dropped as late, and the chain corrected',
    tamper: (objects) =>
      decide(objects, (had) => ({
        ...had,
        updates: had.updates.slice(1),
        outcomes: had.outcomes.map((one) =>
          one.client === 'a' ? { ...one, outcome: 'Late', reason: 'NoReceipt' } : one,
        ),
      })),
    consistent: true,
    says: /^rounds\/3\/1\/model\.safetensors is not what the round's updates give/m,
  },
  {
    what: 'an update that the decision reweights, and the chain corrected',
    tamper: (objects) =>
      decide(objects, (had) => ({
        ...had,
        updates: had.updates.map((one) => (one.client === 'a' ? { ...one, numExamples: 99 } : one)),
      })),
    consistent: true,
    says: /^rounds\/3\/1\/updates\/a\.json states \d+ examples; the decision counts 99$/m,
  },
  {
    what: "an update reweighted in its client's receipt too, and the chain corrected",
    tamper(objects) {
      changed(objects, 'receipt', ROUND.receipt('a'), (had) => ({
        ...had,
        update: { ...had.update!, numExamples: 99 },
      }))
      renameReceipt(objects, 3, 'a')
      decide(objects, (had) => ({
        ...had,
        updates: had.updates.map((one) => (one.client === 'a' ? { ...one, numExamples: 99 } : one)),
      }))
    },
    consistent: true,
    says: /^rounds\/3\/1\/model\.safetensors is not what the round's updates give/m,
  },
  {
    what: 'the updates of two clients exchanged',
    tamper: (objects) => exchange(objects, payloadOf(objects, 'a'), payloadOf(objects, 'b')),
    says: /rounds\/3\/1\/updates\/a\/\w+\.safetensors/,
  },
  {
    what: "the receipt of another client in a client's place, and the chain corrected",
    tamper(objects) {
      objects.set(ROUND.receipt('a'), objects.get(ROUND.receipt('b'))!)
      renameReceipt(objects, 3, 'a')
    },
    consistent: true,
    says: /^rounds\/3\/1\/updates\/a\.json is the receipt of another client, round or attempt$/m,
  },
  {
    what: 'another cohort in the plan',
    tamper: (objects) => changed(objects, 'plan', ROUND.plan, (had) => ({ ...had, cohort: ['a', 'b'] })),
    says: /^rounds\/3\/1\/plan\.json is not what the result names$/m,
  },
  {
    what: 'another cohort in the plan, and the chain corrected',
    tamper: (objects) => changed(objects, 'plan', ROUND.plan, (had) => ({ ...had, cohort: ['a', 'b'] })),
    consistent: true,
    says: /counts an update of c, which is not in the plan's cohort$/m,
  },
  {
    what: 'a quorum that the updates do not reach, and the chain corrected',
    tamper: (objects) => changed(objects, 'plan', ROUND.plan, (had) => ({ ...had, quorum: 4 })),
    consistent: true,
    says: /counts 3 updates; the plan's quorum is 4$/m,
  },
  {
    what: 'another strategy in the plan, and the chain corrected',
    tamper: (objects) =>
      changed(objects, 'plan', ROUND.plan, (had) => ({ ...had, strategy: { type: 'FedAvg' } })),
    consistent: true,
    says: /^rounds\/3\/1\/(model|state)\.safetensors is not what the round's updates give/m,
  },
  {
    what: 'a model that no fold gives, and the chain corrected',
    tamper: (objects) => replaceModel(objects, 3, objects.get(attemptKeys(2, 1).model)!),
    consistent: true,
    says: /^rounds\/3\/1\/model\.safetensors is not what the round's updates give/m,
  },
  {
    what: 'better figures of a round, and the chain corrected',
    tamper: (objects) => decide(objects, (had) => ({ ...had, evaluation: { ...had.evaluation!, loss: 0 } })),
    consistent: true,
    says: /names another mean evaluation than its evaluations give$/m,
  },
  {
    what: "a client's evaluation changed, and the chain corrected",
    tamper: (objects) =>
      decide(objects, (had) => ({
        ...had,
        evaluations: had.evaluations.map((one) => ({ ...one, loss: 0 })),
        evaluation: { ...had.evaluation!, loss: 0 },
      })),
    consistent: true,
    says: /^round 3: the decision counts another evaluation by a than its receipt states$/m,
  },
  {
    what: 'another best round, and the chain corrected',
    tamper: (objects) => decide(objects, (had) => ({ ...had, best: { round: 1, metric: 'loss', value: 0 } })),
    consistent: true,
    says: /names another best round than the evaluations give$/m,
  },
  {
    what: 'a round removed from the middle',
    tamper: (objects) => objects.delete(resultKey(2)),
    says: /^rounds\/2\/result\.json is missing$/m,
  },
  {
    what: 'the last result removed',
    tamper: (objects) => objects.delete(resultKey(4)),
    says: /names a head that is not in the chain$/m,
  },
  {
    what: 'a claim of an epoch removed',
    tamper: (objects) => objects.delete(epochKey(1)),
    says: /^coordinators\/1\.json is missing$/m,
  },
  {
    what: 'a claim of another epoch',
    tamper: (objects) => changed(objects, 'epoch', epochKey(1), (had) => ({ ...had, epoch: 2 })),
    says: /^coordinators\/1\.json claims epoch 2$/m,
  },
  {
    what: 'an empty manifest',
    tamper: (objects) => objects.set(MANIFEST_KEY, TEXT.encode('{}')),
    says: /^output\/manifest\.json: \w+: /m,
  },
  {
    what: 'a manifest of no bytes',
    tamper: (objects) => objects.set(MANIFEST_KEY, new Uint8Array()),
    says: /^output\/manifest\.json is not JSON$/m,
  },
  {
    what: 'a manifest without files',
    tamper: (objects) => manifest(objects, ({ files: _, ...had }) => had),
    says: /^output\/manifest\.json: files: /m,
  },
  {
    what: 'a manifest that names no file',
    tamper: (objects) => manifest(objects, (had) => ({ ...had, files: [] })),
    says: /^output\/manifest\.json does not name model\.safetensors$/m,
  },
  {
    what: 'a manifest that names a file of the machine',
    tamper: (objects) =>
      manifest(objects, (had) => ({ ...had, files: [{ ...had.files[0]!, name: '../../etc/passwd' }] })),
    says: /is not the name of a file of the output/,
  },
  {
    what: 'a manifest that names one file twice',
    tamper: (objects) => manifest(objects, (had) => ({ ...had, files: [...had.files, had.files[0]!] })),
    says: /^output\/manifest\.json names model\.safetensors twice$/m,
  },
  {
    what: 'a manifest with better figures',
    tamper: (objects) =>
      manifest(objects, (had) => ({ ...had, evaluation: { ...had.evaluation!, loss: 0 } })),
    says: /names another evaluation than the record has of round 3$/m,
  },
  {
    what: 'a manifest with more rounds',
    tamper: (objects) => manifest(objects, (had) => ({ ...had, rounds: 300 })),
    says: /names 300 rounds; the record has 3$/m,
  },
  {
    what: 'a replaced model, with its digest in the manifest',
    tamper: (objects) =>
      replaceFile(
        objects,
        'model.safetensors',
        objects.get(outputKey('model.safetensors'))!.map((b) => b ^ 1),
      ),
    says: /^output\/model\.safetensors is not the file of round 3$/m,
  },
  {
    what: 'a replaced whole checkpoint, with its digest in the manifest',
    tamper: (objects) =>
      replaceFile(
        objects,
        'checkpoint/model.safetensors',
        objects.get(outputKey('checkpoint/model.safetensors'))!.map((b) => b ^ 1),
      ),
    says: /^output\/checkpoint\/model\.safetensors is not the file of round 3$/m,
  },
  ...['config.json', 'checkpoint/config.json', 'README.md', 'metrics.json', 'provenance.json'].map(
    (name) => ({
      what: `a replaced ${name}, with its digest in the manifest`,
      tamper: (objects: Objects) => replaceFile(objects, name, TEXT.encode('{"auto_map": "evil.py"}')),
      says: new RegExp(`^output/${name} is not the file of round 3$`, 'm'),
    }),
  ),
  {
    what: 'a file added',
    tamper: (objects) => objects.set(outputKey('checkpoint/modeling.py'), TEXT.encode('import os')),
    says: /^output\/checkpoint\/modeling\.py is not a file of this output: remove it$/m,
  },
  {
    what: 'a file added, with its digest in the manifest',
    tamper: (objects) => replaceFile(objects, 'checkpoint/modeling.py', TEXT.encode('import os')),
    says: /^output\/manifest\.json names checkpoint\/modeling\.py, which no output of this run has$/m,
  },
  {
    what: 'a file removed',
    tamper: (objects) => objects.delete(outputKey('config.json')),
    says: /^output\/config\.json is not what output\/manifest\.json names$/m,
  },
  {
    what: 'the output of another round',
    tamper(objects) {
      const model = objects.get(attemptKeys(2, 1).model)!
      replaceFile(objects, 'model.safetensors', model)
      manifest(objects, (had) => ({ ...had, round: 2, result: sha256(objects.get(resultKey(2))!) }))
    },
    says: /names round 2; the record chose round 3$/m,
  },
  {
    what: 'the output of another run',
    tamper: (objects, other) => transplant(objects, other, 'output/'),
    says: /names a result that is not in the chain$/m,
  },
  {
    what: 'the rounds of another run',
    tamper: (objects, other) => transplant(objects, other, 'rounds/3/'),
    says: /^rounds\/3\/result\.json belongs to another run\.json$/m,
  },
]
