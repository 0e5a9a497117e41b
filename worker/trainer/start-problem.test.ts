// The explanation of a command that does not start, for each fault of its files. The tests really start the programs.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { shortCommand } from '#runtime/children/child-process.ts'
import { systemClock } from '#runtime/clock.ts'
import { startedEnvironment } from '#test/given/started.ts'
import { childTrainer } from './process-trainer.ts'

let folder: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fedsam-start-'))
})
after(() => rm(folder, { recursive: true, force: true }))

/** An ELF file of another kind: its header, and text after it. */
function elf(machine: number, text = ''): Buffer {
  const header = Buffer.alloc(64)
  header.write('\x7fELF\x02\x01\x01', 'latin1')
  header.writeUInt16LE(2, 16)
  header.writeUInt16LE(machine, 18)
  return Buffer.concat([header, Buffer.from(text)])
}

type Case = readonly [
  what: string,
  body: string | Buffer,
  says: RegExp,
  more?: { mode?: number; command?: string[] },
]
const OTHER_MACHINE = process.arch === 'x64' ? 183 : 62
const OWN_MACHINE = process.arch === 'x64' ? 62 : 183

const CASES: readonly Case[] = [
  ['CRLF', '#!/bin/sh\r\necho hello\r\n', /Windows line endings \(CRLF\).*sed -i/],
  ['CRLF by env', '#!/usr/bin/env python3\r\nprint()\r\n', /Windows line endings/],
  ['CRLF given to a shell', 'set -e\r\nexit 3\r\n', /Windows line endings/, { command: ['sh', './program'] }],
  [
    'an interpreter that is missing',
    '#!/opt/none/python3 -u\n',
    /names the interpreter \/opt\/none\/python3, which does not exist/,
  ],
  [
    'env without its program',
    '#!/usr/bin/env no-such-python\n',
    /asks env for no-such-python, which is in no folder of PATH/,
  ],
  ['env -S without its program', '#!/usr/bin/env -S A=1 no-such-python -u\n', /asks env for no-such-python/],
  ['no interpreter', '#!\nexit 3\n', /names no interpreter|no first line/],
  ['no first line', 'import sys\nsys.exit(3)\n', /has no first line "#!INTERPRETER", so sh runs it/],
  ['a byte order mark', '\ufeff#!/bin/sh\nexit 3\n', /begins with a byte order mark/],
  ['no right to be executed', '#!/bin/sh\n', /is not executable.*chmod \+x/, { mode: 0o644 }],
  ['nothing in it', '', /ended with code 0: .* is empty/],
  ['a program for Windows', 'MZ\x90\x00\x03\x00', /is a program for Windows/],
  ['a program for another machine', elf(OTHER_MACHINE), /is a program for (arm64|x64)/],
  ['a program for an unknown machine', elf(999), /is a program for the machine 999/],
  [
    'a loader that is missing',
    elf(OWN_MACHINE, '/lib/none/ld-linux.so.2\0'),
    /needs the loader \/lib\/none\/ld-linux\.so\.2/,
  ],
]

async function why(command: [string, ...string[]], cwd = folder): Promise<string> {
  const trainer = childTrainer({
    command,
    env: startedEnvironment(),
    cwd,
    noProgressSeconds: 60,
    clock: systemClock(),
    log: () => {},
  })
  const error = await trainer.ready().then(
    () => assert.fail('it started'),
    (cause: { code: string; message: string; remedy: string }) => cause,
  )
  assert.equal(error.code, 'TrainerFailed')
  return `${error.message}; ${error.remedy}`
}

for (const [what, body, says, { mode = 0o755, command = ['./program'] } = {}] of CASES) {
  test(`a program with ${what}`, async () => {
    await writeFile(join(folder, 'program'), body)
    await chmod(join(folder, 'program'), mode)
    assert.match(await why(command as [string, ...string[]]), says)
  })
}

test('a path that is not a program', async () => {
  await mkdir(join(folder, 'a-folder'))
  execFileSync('mkfifo', ['-m', '0755', join(folder, 'a-fifo')])
  await symlink('circle', join(folder, 'circle'))
  await writeFile(join(folder, 'tool'), '#!/bin/sh\n')
  for (const [program, says] of [
    ['./missing', /missing does not exist/],
    ['./tool/x', /does not exist: a part of its path is a file/],
    ['./a-folder', /a-folder is a folder; write the path of the program/],
    ['./a-fifo', /a-fifo is not a regular file/],
    ['./circle', /circle is a link that leads back to itself/],
    ['no-such-program', /no folder of PATH has a program named no-such-program; install it/],
    ['tool', /no folder of PATH has a program named tool; write \.\/tool/],
  ] as const)
    assert.match(await why([program]), says)
  assert.match(await why(['sh'], join(folder, 'nowhere')), /the folder .*nowhere does not exist/)
  assert.match(await why(['sh', 'nowhere.sh']), /nowhere\.sh does not exist/)
  assert.match(await why(['sh', 'a\0b']), /cannot start: .*null bytes/)
  assert.match(await why(['true', 'x'.repeat(2 ** 22)]), /cannot start: .*E2BIG/)
})

test('a correct program that fails: the message does not blame its file', async () => {
  await writeFile(join(folder, 'fails'), '#!/bin/sh\nexit 3\n', { mode: 0o755 })
  assert.match(await why(['sh', '-c', 'exit 3']), /ended with code 3; see its log$/)
  assert.match(await why(['./fails']), /^the trainer \.\/fails ended with code 3; see its log$/)
})

test('a message shows the useful words of a command line, without its settings', () => {
  assert.equal(
    shortCommand(['python3', '-m', 'fedsam_client', 'client:C']),
    'python3 -m fedsam_client client:C',
  )
  assert.equal(shortCommand(['node', 'main.ts', '{"a": 1}', '[1]']), 'node main.ts {…} […]')
  assert.equal(shortCommand([`/deep/${'x'.repeat(100)}/bin/python`]), `…${'x'.repeat(49)}/bin/python`)
  assert.ok(shortCommand(Array.from({ length: 500 }, () => '--word')).length <= 121)
})
