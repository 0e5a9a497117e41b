// `spec.resumeFrom` of a run on this machine: the same bytes as a run that was never interrupted, a source that nothing changes, a
// record that needs its source no longer, and a sentence for every record that cannot be used.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { cp, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { sha256 } from '#protocol/digest.ts'
import { type Ended, startFedsam, toyJob } from './fedsam.ts'

const STRATEGIES = ['FedAvg', 'FedAdam'] as const
const ROUNDS = 10
const HALF = 5

let dir = ''
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'fedsam-resume-'))
  await writeFile(join(dir, 'toy.yaml'), toyJob(ROUNDS))
  for (const type of STRATEGIES) await complete(`half-${type}`, `rounds=${HALF}`, `strategy.type=${type}`)
})
after(() => rm(dir, { recursive: true, force: true }))

const run = (output: string, ...sets: string[]): Promise<Ended> =>
  startFedsam(dir, ['run', 'toy.yaml', '--output', output, ...sets.flatMap((set) => ['--set', set])])

async function complete(output: string, ...sets: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(output, ...sets)
  assert.equal(code, 0, stderr)
  return stdout
}

const from = (prefix: string, round: number): string => `resumeFrom={prefix: ${prefix}, round: ${round}}`
const bytesOf = async (...path: string[]): Promise<string> => sha256(await readFile(join(dir, ...path)))
const modelOf = (output: string): Promise<string> => bytesOf(output, 'output', 'model.safetensors')

/** Every file and folder with its size, its time of change and, of a file, its digest. */
async function pictureOf(output: string): Promise<string[]> {
  const names = await readdir(join(dir, output), { recursive: true })
  return Promise.all(
    ['', ...names.sort()].map(async (name) => {
      const found = await stat(join(dir, output, name))
      const digest = found.isFile() ? await bytesOf(output, name) : ''
      return `${name} ${found.size} ${found.mtimeMs} ${found.ctimeMs} ${digest}`
    }),
  )
}

/** One line of what happened, one of what to do, and no output folder. */
async function assertRefused(output: string, { code, stderr }: Ended, message: RegExp): Promise<void> {
  assert.equal(code, 2, stderr)
  assert.match(stderr, message)
  assert.equal(stderr.trimEnd().split('\n').length, 2, stderr)
  await assert.rejects(stat(join(dir, output)), { code: 'ENOENT' })
}

describe('five rounds, and five more from their record, give the bytes of ten rounds', () => {
  for (const type of STRATEGIES) {
    test(type, async () => {
      await complete(`whole-${type}`, `strategy.type=${type}`)
      const said = await complete(`rest-${type}`, `strategy.type=${type}`, from(`half-${type}`, HALF))
      assert.match(
        said,
        /^starts from the model of round 5 of toy in half-\w+ \(result sha256:[0-9a-f]{12}\)/m,
      )
      assert.equal(/optimizer's state goes on$/m.test(said), type === 'FedAdam', said)
      assert.equal(await modelOf(`rest-${type}`), await modelOf(`whole-${type}`))
      if (type === 'FedAdam') {
        const state = ['rounds', '10', '1', 'state.safetensors']
        assert.equal(await bytesOf(`rest-${type}`, ...state), await bytesOf(`whole-${type}`, ...state))
      }
    })
  }

  test('in several processes too', async () => {
    const { code, stderr } = await startFedsam(dir, [
      ...['run', 'toy.yaml', '--output', 'processes', '--processes'],
      ...['--set', from('half-FedAvg', HALF)],
    ])
    assert.equal(code, 0, stderr)
    assert.equal(await modelOf('processes'), await modelOf('whole-FedAvg'))
    // And from a record in the bucket of a run in processes.
    await complete('after-processes', 'rounds=11', from('processes', ROUNDS))
    await complete('eleven', 'rounds=11')
    assert.equal(await modelOf('after-processes'), await modelOf('eleven'))
  })

  test('over a chain of two records, each with the digest of the previous one', async () => {
    await complete('seven', 'rounds=7', from('half-FedAvg', HALF))
    await complete('chained', from('seven', 7))
    assert.equal(await modelOf('chained'), await modelOf('whole-FedAvg'))
    const result = async (output: string, round: number) => ({
      digest: await bytesOf(output, 'rounds', String(round), 'result.json'),
      value: JSON.parse(await readFile(join(dir, output, 'rounds', String(round), 'result.json'), 'utf8')),
    })
    assert.equal((await result('chained', 7)).value.previous, (await result('seven', 7)).digest)
    assert.equal((await result('seven', 5)).value.previous, (await result('half-FedAvg', 5)).digest)
  })
})

test('a fork does not change its source, and its record is sound without the source', async () => {
  const before = await pictureOf('half-FedAdam')
  const sets = ['seed=9', 'strategy.type=FedYogi', 'rounds=7', from('half-FedAdam', HALF)]
  const said = await complete('fork', ...sets)
  assert.match(said, /the server optimizer's state begins at 0$/m)
  assert.deepEqual(await pictureOf('half-FedAdam'), before)
  await rename(join(dir, 'half-FedAdam'), join(dir, 'elsewhere'))
  try {
    const verified = await startFedsam(dir, ['verify', 'fork'])
    assert.equal(verified.code, 0, verified.stdout)
    assert.match(verified.stdout, /^started from the model of round 5 of toy in half-FedAdam \(result/m)
    assert.match(await complete('fork', ...sets), /nothing was run/)
    assert.match(await complete('fork', ...sets, 'rounds=8'), /^complete after 8 rounds/m)
    const exported = await startFedsam(dir, ['export', 'fork', '--to', 'exported'])
    assert.match(exported.stdout, /^the run started from the model of round 5 of toy in half-FedAdam/m)
    assert.match(await readFile(join(dir, 'exported', 'README.md'), 'utf8'), /round 5 of run toy/)
    assert.match(await readFile(join(dir, 'fork', 'report.html'), 'utf8'), /Started from/)
    const { run: origin } = JSON.parse(await readFile(join(dir, 'fork/output/provenance.json'), 'utf8'))
    assert.equal(origin.resumedFrom.prefix, 'half-FedAdam')
  } finally {
    await rename(join(dir, 'elsewhere'), join(dir, 'half-FedAdam'))
  }
})

test('plan names the start of the run, the remaining rounds, and the use of the state', async () => {
  const plan = async (...sets: string[]): Promise<string> => {
    const { code, stdout, stderr } = await startFedsam(dir, [
      ...['plan', 'toy.yaml'],
      ...sets.flatMap((set) => ['--set', set]),
    ])
    assert.equal(code, 0, stderr)
    return stdout
  }
  const same = await plan('strategy.type=FedAdam', from('half-FedAdam', HALF))
  assert.match(
    same,
    /^toy: 5 rounds of FedAdam over 3 partitions\nstart +the model of round 5 of toy in \S+half-FedAdam/,
  )
  assert.match(same, /the server optimizer's state goes on; rounds 6 to 10 are left\n/)
  const other = await plan('strategy.type=FedAdam', from('half-FedAvg', HALF), 'rounds=6')
  assert.match(other, /the server optimizer's state begins at 0; round 6 is left\n/)
})

describe('run and plan reject an unusable record before they write a file', () => {
  const both = async (message: RegExp, ...sets: string[]): Promise<void> => {
    await assertRefused('refused', await run('refused', ...sets), message)
    const args = ['plan', 'toy.yaml', ...sets.flatMap((set) => ['--set', set])]
    await assertRefused('refused', await startFedsam(dir, args), message)
  }

  test('that does not exist', async () => {
    await both(
      /resumeFrom\.prefix: folder \S+nowhere holds no run\n {2}name the folder, or/,
      from('nowhere', 1),
    )
  })

  test('whose run ended before the round, or began after it', async () => {
    await both(
      /resumeFrom: folder \S+half-FedAvg ended with round 5, so it has no round 6\n {2}name a round from 0 to 5/,
      from('half-FedAvg', 6),
    )
    await complete('late', 'rounds=6', from('half-FedAvg', HALF))
    await both(
      /late begins with round 5, so it has no round 4\n {2}name a round from 5 to 6/,
      from('late', 4),
    )
  })

  test('whose run has not finished the round yet', async () => {
    await cp(join(dir, 'half-FedAvg'), join(dir, 'unfinished'), { recursive: true })
    for (const path of ['output', 'rounds/6', 'rounds/5/result.json'])
      await rm(join(dir, 'unfinished', path), { recursive: true })
    await both(
      /resumeFrom\.round: folder \S+unfinished has not finished round 5; its newest finished round is 4\n {2}wait/,
      from('unfinished', 5),
    )
    // A round that is finished may be forked while the run goes on.
    await complete('forked-early', 'rounds=5', from('unfinished', 4))
    assert.equal(await modelOf('forked-early'), await modelOf('half-FedAvg'))
  })

  test('whose model of that round was deleted by its retention', async () => {
    await both(
      /half-FedAvg no longer holds the model of round 2\n {2}name a round whose model still exists: 5, 4; output\.retention/,
      from('half-FedAvg', 2),
    )
  })

  const damages: readonly [what: string, file: string, change: (text: string) => string, says: RegExp][] = [
    [
      'a result that does not follow',
      'rounds/3/result.json',
      (text) => text.replace(/"previous":"../, '"previous":"00'),
      /is damaged: rounds\/3\/result\.json does not follow the result before it, and \d more\n/,
    ],
    [
      'a plan of other bytes',
      'rounds/4/1/plan.json',
      (text) => text.replace('"quorum":2', '"quorum":3'),
      /is damaged: rounds\/4\/1\/plan\.json is not what the result names\n/,
    ],
    [
      'a result that is cut off',
      'rounds/5/result.json',
      (text) => text.slice(0, 99),
      /is damaged: rounds\/5\/result\.json is not JSON\n/,
    ],
    [
      'a result with other tensors',
      'rounds/5/result.json',
      (text) => text.replace('"shape":[500]', '"shape":[400]'),
      /is damaged: rounds\/5\/result\.json names other tensors than the result before it\n/,
    ],
    [
      'a model in another size',
      'rounds/5/1/model.safetensors',
      (text) => `${text} `,
      /is damaged: rounds\/5\/1\/model\.safetensors has \d+ bytes; its marker names 4136\n/,
    ],
    [
      'a file in the place of a model',
      'rounds/5/result.json',
      (text) => text.replace('rounds/5/1/model.safetensors', 'job.json'),
      /is damaged: rounds\/5\/result\.json names a model of another attempt or round\n/,
    ],
    ['no run.json of ours', 'run.json', () => '{}', /: run\.json: /],
  ]
  for (const [what, file, change, says] of damages) {
    test(`that has ${what}`, async () => {
      const copy = `damaged-${what.replaceAll(' ', '-')}`
      await cp(join(dir, 'half-FedAvg'), join(dir, copy), { recursive: true })
      const path = join(dir, copy, file)
      await writeFile(path, change(await readFile(path, 'utf8')))
      await both(says, from(copy, HALF))
    })
  }

  test('that has a model of other tensors, with its digest in the result', async () => {
    await cp(join(dir, 'half-FedAvg'), join(dir, 'renamed'), { recursive: true })
    const [model, result] = ['rounds/5/1/model.safetensors', 'rounds/5/result.json'].map((file) =>
      join(dir, 'renamed', file),
    )
    const before = await readFile(model!)
    const changed = Buffer.from(before.toString('latin1').replace('weight', 'weighs'), 'latin1')
    await writeFile(model!, changed)
    const text = await readFile(result!, 'utf8')
    await writeFile(result!, text.replaceAll(sha256(before), sha256(changed)))
    await both(
      /is damaged: rounds\/5\/1\/model\.safetensors is not a model of the tensors that its result names\n/,
      from('renamed', HALF),
    )
  })

  test('that lacks the result of an earlier round, or the state of the round', async () => {
    await cp(join(dir, 'half-FedAdam'), join(dir, 'lacking'), { recursive: true })
    await rm(join(dir, 'lacking/rounds/5/1/state.safetensors'))
    await both(
      /lacking no longer holds the model of round 5\n {2}name a round whose model still exists: 4; output/,
      from('lacking', HALF),
    )
    for (const round of [3, 0]) {
      await rm(join(dir, 'lacking/rounds', String(round), 'result.json'))
      const says = new RegExp(`lacking is damaged: rounds/${round}/result\\.json is missing\\n`)
      await both(says, from('lacking', HALF))
    }
  })

  test('that is this very output', async () => {
    const { code, stderr } = await run('half-FedAvg', from('half-FedAvg', HALF))
    assert.equal(code, 2)
    assert.match(stderr, /half-FedAvg is the output of this very run\n {2}name another folder with --output/)
  })

  test('that would hold the output', async () => {
    const output = 'half-FedAvg/rounds/new'
    const { code, stderr } = await run(output, from('half-FedAvg', HALF))
    assert.equal(code, 2)
    assert.match(
      stderr,
      /rounds\/new is inside .*half-FedAvg, which the run only reads\n {2}name a folder outside/,
    )
    assert.equal(existsSync(join(dir, output)), false)
  })

  test('that a run in processes could not read, or whose round is the last one already', async () => {
    const args = ['run', 'toy.yaml', '--output', 'refused', '--processes']
    const ended = await startFedsam(dir, [...args, '--set', from('s3://bucket/run', 1)])
    await assertRefused(
      'refused',
      ended,
      /--processes has a store of its own and cannot read s3:\/\/bucket\/run\n/,
    )
    const { code, stderr } = await run('refused', 'rounds=5', from('half-FedAvg', HALF))
    assert.equal(code, 2)
    assert.match(stderr, /spec\.rounds: 5 is not above resumeFrom\.round; rounds is the number of the last/)
  })
})

test('a model with changed bytes is rejected, and the run starts when the bytes are restored', async () => {
  const path = join(dir, 'half-FedAvg/rounds/5/1/model.safetensors')
  const bytes = await readFile(path)
  await writeFile(path, bytes.with(bytes.length - 1, bytes.at(-1)! ^ 1))
  try {
    const { code, stderr } = await run('bad-model', from('half-FedAvg', HALF))
    assert.equal(code, 2, stderr)
    assert.match(
      stderr,
      /resumeFrom: folder \S+: rounds\/5\/1\/model\.safetensors: block 0 does not match its digest\n {2}restore/,
    )
  } finally {
    await writeFile(path, bytes)
  }
  await complete('bad-model', from('half-FedAvg', HALF))
  assert.equal(await modelOf('bad-model'), await modelOf('whole-FedAvg'))
})

test('a fault of the own output does not name the other record', async () => {
  await complete('own', 'rounds=6', from('half-FedAvg', HALF))
  for (const path of ['output', 'rounds']) await rm(join(dir, 'own', path), { recursive: true })
  await writeFile(join(dir, 'own', 'rounds'), 'a file in the place of a folder')
  const { stderr } = await run('own', 'rounds=6', from('half-FedAvg', HALF))
  assert.match(stderr, /^fedsam: folder \S+own: (ENOTDIR|EEXIST)/m)
})

test('a program with other tensors ends the run at its first attempt, and names the field', async () => {
  // This program answers with a tensor `v` whatever it was given.
  const renaming = toyJob(ROUNDS).replace('quadratic-main.ts","toy"', 'flawed-main.ts","renames"')
  await writeFile(join(dir, 'renaming.yaml'), renaming)
  const { code, stderr } = await startFedsam(dir, [
    ...['run', 'renaming.yaml', '--output', 'renaming', '--set', from('half-FedAvg', HALF)],
  ])
  assert.equal(code, 2, stderr)
  assert.match(
    stderr,
    /spec\.resumeFrom has other tensors than the clients train; site-[abc]: .*\n {2}name a run that/,
  )
})
