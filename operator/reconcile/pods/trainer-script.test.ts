// The trainer script under the machine's real sh, with real FIFOs: calls reach the program, its answers come back, and
// each end has the right exit code.
import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createReadStream, createWriteStream, renameSync, type WriteStream } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import { after, test } from 'node:test'
import { SEAM_FILES } from '#protocol/seam-files.ts'
import { until, untilSeen } from '#test/until.ts'
import { trainerScript } from './trainer-script.ts'

const folders: string[] = []
const shells: ChildProcess[] = []
after(async () => {
  for (const shell of shells) shell.kill('SIGKILL')
  await Promise.all(folders.map((folder) => rm(folder, { recursive: true })))
})

/** Answers each line with its own process id and the line. */
const ECHO = 'while read -r line; do echo "$$ $line"; done'

/** The start of a program that writes a last line after SIGTERM. */
const CLEANS_UP = `trap 'echo bye; exit 0' TERM`

/** The rest of that program: it reads until the signal. */
const READS = 'while :; do read -r line; done'

interface Pod {
  readonly folder: string
  readonly shell: ChildProcess
  readonly ended: Promise<[number | null, string | null]>
}

/** Starts the script in a folder with FIFOs. `as` is a command that starts the shell in another way. */
async function startPod(program: readonly string[], as: readonly string[] = []): Promise<Pod> {
  const folder = await mkdtemp(join(tmpdir(), 'fedsam-seam-'))
  folders.push(folder)
  renew(folder)
  execFileSync('mkfifo', [join(folder, SEAM_FILES.control)])
  const [first, ...rest] = [...as, 'sh', '-c', trainerScript(folder), 'sh', ...program]
  const shell = spawn(first!, rest, { stdio: 'ignore' })
  shells.push(shell)
  return { folder, shell, ended: once(shell, 'exit') as Pod['ended'] }
}

/** New FIFOs under the old names, as the network half creates them for each life of the program. */
function renew(folder: string): void {
  for (const name of [SEAM_FILES.input, SEAM_FILES.output]) {
    execFileSync('mkfifo', [join(folder, `${name}.draft`)])
    renameSync(join(folder, `${name}.draft`), join(folder, name))
  }
}

interface Seam {
  readonly to: WriteStream
  readonly lines: Interface
  ask(line: string): Promise<string>
}

/** The network half's ends of the FIFOs, for one life of the program. */
function openSeam({ folder }: Pod): Seam {
  const to = createWriteStream(join(folder, SEAM_FILES.input))
  const lines = createInterface({ input: createReadStream(join(folder, SEAM_FILES.output)) })
  return {
    to,
    lines,
    async ask(line) {
      to.write(`${line}\n`)
      const [answer] = (await once(lines, 'line')) as [string]
      return answer
    },
  }
}

const leave = ({ folder }: Pod, code: string): Promise<void> => writeFile(join(folder, SEAM_FILES.exit), code)

test('calls and answers pass; at the end of the calls the exit code is the one that the network half wrote', async () => {
  const pod = await startPod(['sh', '-c', ECHO])
  const seam = openSeam(pod)
  for (const word of ['one', 'two words', '{"id": 3}'])
    assert.match(await seam.ask(word), new RegExp(`${word}$`))
  await leave(pod, '0')
  seam.to.end()
  assert.deepEqual(await pod.ended, [0, null])
})

for (const [left, code] of [
  ['65', 65],
  ['65\n', 65],
  [undefined, 75],
  ['', 75],
  ['no number', 75],
] as const) {
  test(`a program that ends well with "${left}" left as the code: ${code}`, async () => {
    const pod = await startPod(['true'])
    if (left !== undefined) await leave(pod, left)
    openSeam(pod).to.end()
    assert.deepEqual(await pod.ended, [code, null])
  })
}

for (const [given, program, code] of [
  ['fails', 'exit 3', 3],
  ['is killed', 'kill -KILL $$', 137],
] as const) {
  test(`a program that ${given}: its own exit code, not the written one`, async () => {
    const pod = await startPod(['sh', '-c', program])
    await leave(pod, '0')
    openSeam(pod)
    assert.deepEqual(await pod.ended, [code, null])
  })
}

test('a program that does not exist: the exit code of the shell', async () => {
  const pod = await startPod(['no-such-program-anywhere'])
  openSeam(pod)
  assert.deepEqual(await pod.ended, [127, null])
})

test('"again" kills the program and restarts it on newly opened FIFOs', async () => {
  const pod = await startPod(['sh', '-c', ECHO])
  const control = createWriteStream(join(pod.folder, SEAM_FILES.control))
  const pids = new Set<string>()
  for (let life = 0; life < 3; life++) {
    const seam = openSeam(pod)
    const [pid, word] = (await seam.ask('hello')).split(' ')
    assert.equal(word, 'hello')
    pids.add(pid!)
    const gone = once(seam.lines, 'close')
    renew(pod.folder)
    control.write('nonsense\nagain\n')
    await gone
    seam.to.destroy()
  }
  pod.shell.kill('SIGTERM')
  assert.deepEqual(await pod.ended, [143, null])
  assert.equal(pids.size, 3)
  for (const pid of pids) assert.throws(() => process.kill(Number(pid), 0), `process ${pid}`)
})

test('SIGTERM reaches the program, which may clean up; the exit code is 143 in any case', async () => {
  const pod = await startPod(['sh', '-c', `${CLEANS_UP}; echo ready; ${READS}`])
  const { lines } = openSeam(pod)
  await once(lines, 'line')
  const bye = once(lines, 'line')
  pod.shell.kill('SIGTERM')
  assert.deepEqual(await bye, ['bye'])
  assert.deepEqual(await pod.ended, [143, null])
})

test('SIGTERM before the FIFOs are open', async () => {
  const pod = await startPod(['sh', '-c', ECHO])
  // The children are the program, which waits for its input, and the reader of `control`.
  await until('both children run', async () => (await children(pod.shell.pid!)).length === 2)
  pod.shell.kill('SIGTERM')
  assert.deepEqual(await pod.ended, [143, null])
})

test('SIGTERM while the script starts the program: the program may still clean up', async () => {
  // On one processor the program runs and sends its signal before the shell that started it continues.
  const as = process.platform === 'linux' ? ['taskset', '--cpu-list', await firstProcessor()] : []
  const program = `${CLEANS_UP}; kill -TERM $PPID; ${READS}`
  for (let life = 0; life < 25; life++) {
    const pod = await startPod(['sh', '-c', program], as)
    const { lines } = openSeam(pod)
    assert.deepEqual(await once(lines, 'line'), ['bye'])
    assert.deepEqual(await pod.ended, [143, null])
  }
})

test('the script does not poll: the kernel never switches to it while calls pass, and every child is reaped', async () => {
  const pod = await startPod(['sh', '-c', ECHO])
  const seam = openSeam(pod)
  await seam.ask('there')
  // Both processes of the script wait now. Anything that they do from here on begins with a switch.
  const waiting = [pod.shell.pid!, ...(await readers(pod.shell.pid!))]
  await until('both processes wait', async () =>
    (await Promise.all(waiting.map(stat))).every(([state]) => state === 'S'),
  )
  const before = await Promise.all(waiting.map(switches))
  for (let i = 0; i < 200; i++) await seam.ask(String(i))
  assert.deepEqual(await Promise.all(waiting.map(switches)), before)
  assert.ok((await states(pod.shell.pid!)).every((state) => state !== 'Z'))
  pod.shell.kill('SIGTERM')
  await pod.ended
})

test('the script lists the processes of its container on request, without their names', async () => {
  const pod = await startPod(['sh', '-c', `echo "$$ there"; ${ECHO}`])
  const control = createWriteStream(join(pod.folder, SEAM_FILES.control))
  const { lines } = openSeam(pod)
  const [first] = (await once(lines, 'line')) as [string]
  const program = first.split(' ')[0]!
  control.write('measure 17\n')
  const text = await untilSeen(
    'the script writes its list',
    () => readFile(join(pod.folder, SEAM_FILES.processes), 'utf8'),
    (list) => list.endsWith('end\n'),
  )
  const [head, ...rest] = text.trimEnd().split('\n')
  assert.match(head!, new RegExp(`^answer 17 of ${pod.shell.pid} without \\d+$`))
  const own = rest.find((line) => line.startsWith(`${program} `))!
  const [, parent, ...times] = own.split(' ').slice(1)
  assert.equal(parent, String(pod.shell.pid))
  assert.ok(times.length > 18 && times.every((field) => /^-?\d+$/.test(field)))
  pod.shell.kill('SIGTERM')
  await pod.ended
})

test('a FIFO in the place of the list does not block the script', async () => {
  const pod = await startPod(['sh', '-c', ECHO])
  execFileSync('mkfifo', [join(pod.folder, SEAM_FILES.processes)])
  const control = createWriteStream(join(pod.folder, SEAM_FILES.control))
  const seam = openSeam(pod)
  const gone = once(seam.lines, 'close')
  const [pid] = (await seam.ask('hello')).split(' ')
  renew(pod.folder)
  control.write('measure 1\nagain\n')
  await gone
  seam.to.destroy()
  // The kernel closes the files of a killed process first. Its id is free once the script has waited for it.
  await until('the program is gone', () => hasEnded(Number(pid)))
  pod.shell.kill('SIGTERM')
  assert.deepEqual(await pod.ended, [143, null])
})

test('as the first process of a namespace the script also ends the children of the program', {
  skip: cannotUnshare(),
}, async () => {
  const program = ['sh', '-c', `sleep 1000 & ${ECHO}`]
  const pod = await startPod(program, ['unshare', '--pid', '--fork', '--kill-child'])
  const control = createWriteStream(join(pod.folder, SEAM_FILES.control))
  for (let life = 0; life < 2; life++) {
    const seam = openSeam(pod)
    assert.match(await seam.ask('there'), / there$/)
    // The background process keeps the output open: only its end closes it.
    const gone = once(seam.lines, 'close')
    renew(pod.folder)
    control.write('again\n')
    await gone
    seam.to.destroy()
  }
  const seam = openSeam(pod)
  await seam.ask('there')
  await leave(pod, '0')
  seam.to.end()
  assert.deepEqual(await pod.ended, [0, null])
})

/** Whether no process has this id, not even a zombie. */
function hasEnded(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return false
  } catch {
    return true
  }
}

/** Why the last test cannot run here; under CI it must. */
function cannotUnshare(): string | false {
  if (process.env.CI === 'true') return false
  return process.platform === 'linux' && process.getuid?.() === 0 ? false : 'needs Linux and root'
}

/** The first processor that this process may run on. */
async function firstProcessor(): Promise<string> {
  const status = await readFile('/proc/self/status', 'utf8')
  return /Cpus_allowed_list:\s*(\d+)/.exec(status)![1]!
}

/** Fields of /proc/PID/stat after the name. */
async function stat(pid: number): Promise<string[]> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8')
  return text.slice(text.lastIndexOf(')') + 2).split(' ')
}

async function children(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')
  return text.split(' ').filter(Boolean).map(Number)
}

const states = async (pid: number): Promise<string[]> =>
  Promise.all((await children(pid)).map(async (child) => (await stat(child))[0]!))

/** The script's process that reads `control`: the one of its children that never became another program. */
async function readers(pid: number): Promise<number[]> {
  const commands = await Promise.all(
    (await children(pid)).map(
      async (child) => [child, await readFile(`/proc/${child}/cmdline`, 'utf8')] as const,
    ),
  )
  const own = await readFile(`/proc/${pid}/cmdline`, 'utf8')
  return commands.filter(([, command]) => command === own).map(([child]) => child)
}

/** How often a process gave up its processor in order to wait: once for each time that it ran. */
async function switches(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/^voluntary_ctxt_switches:\s*(\d+)$/m.exec(status)![1])
}
