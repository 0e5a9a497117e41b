// `fedsam trainer check`: a sound program passes; each flaw of a program is named with what to do, and ends with 1.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { type Ended, ROOT, startFedsam } from './fedsam.ts'

const FLAWED = join(ROOT, 'test/trainers/flawed-main.ts')
const AWKWARD = join(ROOT, 'test/trainers/awkward-main.ts')

const check = (...program: string[]): Promise<Ended> =>
  startFedsam(ROOT, [
    'trainer',
    'check',
    '--dataset',
    'examples',
    '--no-progress-seconds',
    '20',
    '--',
    ...program,
  ])

describe('a program on the seam', () => {
  test('that is sound passes every check', async () => {
    const { code, stdout } = await check('node', join(ROOT, 'test/trainers/quadratic-main.ts'), 'toy', '100')
    assert.equal(code, 0, stdout)
    assert.doesNotMatch(stdout, /wrong|note/)
    for (const says of [
      /ready after .*typed arrays/,
      /2 tensors.*2 are trained/,
      /evaluate: loss .* of \d+ examples/,
      /fit reports \d+ examples/,
      /\d+ lines of progress/,
      /all finite/,
      /a repeated call wrote the same bytes/,
      /the program reports a failed call/,
      /ends at the end of its input/,
      /ends on SIGTERM/,
      /can take part in a run/,
    ])
      assert.match(stdout, says)
  })

  test('that keeps a state is called with it again', async () => {
    const program = [join(ROOT, 'test/trainers/quadratic-main.ts'), 'toy', '100', 'counts']
    const { code, stdout } = await check('node', ...program)
    assert.equal(code, 0, stdout)
    assert.match(stdout, /fit left a state of 26 bytes; the same call leaves the same one/)
    assert.match(stdout, /fit went on from the state that it left/)
  })

  const wrong: readonly [flaw: string, says: RegExp][] = [
    [
      'writes-nothing',
      /wrong.*the parameters cannot be read: the trainer wrote no file\n.*before the answer/,
    ],
    ['writes-fifo', /wrong.*is a FIFO\n.*a regular file/],
    ['writes-link', /wrong.*is a link\n.*a regular file/],
    ['writes-junk', /wrong.*the parameters cannot be read/],
    ['renames', /wrong.*other tensors than it was given: missing: w; not in the run: v/],
    ['not-finite', /wrong.*w\[1\] is not a finite number, after fit/],
    ['weightless', /wrong.*num_examples is 0\n.*1 to 536870912/],
    ['half', /wrong.*evaluate's num_examples is 0.5/],
    ['blind', /wrong fit of a file that does not exist was answered/],
    ['leaves-elsewhere', /wrong.*answered the state \/etc\/hostname\n.*state_output/],
    ['leaves-nothing', /wrong.*answered the state .*\n.*write the state to state_output/],
    ['stays', /wrong.*still there 10 s after the end of its input\n.*end the program/],
    ['deaf', /wrong.*still there 10 s after SIGTERM/],
  ]
  for (const [flaw, says] of wrong) {
    test(`that ${flaw}`, async () => {
      const { code, stdout } = await check('node', FLAWED, flaw)
      assert.match(stdout, says)
      assert.match(stdout, /cannot take part in a run/)
      assert.equal(code, 1)
    })
  }

  const noted: readonly [flaw: string, says: RegExp][] = [
    ['random', /note .*other bytes.*\n.*config\.seed/],
    ['idle', /note .*fit changed nothing/],
    ['dies', /note .*a failed call ends the program/],
  ]
  for (const [flaw, says] of noted) {
    test(`that ${flaw} may take part, with a note`, async () => {
      const { code, stdout } = await check('node', FLAWED, flaw)
      assert.match(stdout, says)
      assert.equal(code, 0, stdout)
    })
  }

  test('sees no secret of the shell except the variables that --pass-env names', async () => {
    const program = [
      '--',
      'node',
      '-e',
      'const { HF_TOKEN, AWS_SECRET_ACCESS_KEY } = process.env; console.error(HF_TOKEN, AWS_SECRET_ACCESS_KEY)',
    ]
    const env = { HF_TOKEN: 'first secret', AWS_SECRET_ACCESS_KEY: 'second secret' }
    const without = await startFedsam(ROOT, ['trainer', 'check', ...program], { env })
    assert.match(without.stderr, /undefined undefined/)
    const passed = await startFedsam(ROOT, ['trainer', 'check', '--pass-env', 'HF_TOKEN', ...program], {
      env,
    })
    assert.match(passed.stderr, /first secret undefined/)
    const absent = await startFedsam(ROOT, ['trainer', 'check', '--pass-env', 'NOT_SET', ...program])
    assert.equal(absent.code, 2)
    assert.match(absent.stderr, /--pass-env NOT_SET: the variable is not set in this shell/)
  })

  test('that cannot start is an error with the reason', async () => {
    const { code, stdout } = await check('node', AWKWARD, 'cannot-start')
    assert.equal(code, 1)
    assert.match(stdout, /wrong the start: there is no picture\n +put one there/)
  })

  test('that does not exist', async () => {
    assert.match((await check('/nowhere/trainer')).stdout, /cannot start: \/nowhere\/trainer does not exist/)
  })
})

test('the command names the missing argument', async () => {
  for (const [args, says] of [
    [['trainer', 'check'], /the program is missing: write it after --/],
    [['trainer', 'fix', '--', 'true'], /no command trainer fix/],
    [['trainer', 'check', '--config', 'x', '--', 'true'], /--config x: write name=value/],
    [['trainer', 'check', '--config', 'seed=1', '--', 'true'], /FedSAM sends seed with every call/],
    [['trainer', 'check', '--config', 'server_round=1', '--', 'true'], /FedSAM sends server_round/],
    [['trainer', 'check', '--config', 'a=1', '--config', 'a=2', '--', 'true'], /a is given twice/],
  ] as const) {
    const { code, stderr } = await startFedsam(ROOT, args)
    assert.equal(code, 2)
    assert.match(stderr, says)
  }
})
