// Why a program could not be started, or ended before it did anything: a sentence that names the file at fault and what to do. The system
// says ENOENT of a script whose interpreter is missing, as of a script that is missing itself. It reads the first bytes of the
// files that the command names, and guarantees to wait for none of them.
import { constants } from 'node:fs'
import { access, open, stat } from 'node:fs/promises'
import { basename, delimiter, isAbsolute, join, resolve } from 'node:path'

export interface Started {
  readonly command: readonly [string, ...string[]]
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
}

/** What is wrong, to what, and what to do. */
export interface Explanation {
  readonly what: string
  readonly remedy: string
}

/** Bytes of a program that say what it is. */
const BEGINNING_BYTES = 4096

const SHELLS = /^(sh|bash|dash|zsh|ksh|ash)$/

/** Explains a command that did not start; undefined where nothing is wrong with its files. */
export async function explainStart({ command, env, cwd }: Started): Promise<Explanation | undefined> {
  if (!(await isFolder(cwd)))
    return { what: `the folder ${cwd} does not exist`, remedy: 'create it, or run the job where it is' }
  const [program, ...args] = command
  const path = await findProgram(program, { env, cwd })
  if (typeof path !== 'string') return path
  const found = await explainProgram(path, { env, cwd })
  if (found !== undefined || !SHELLS.test(basename(program))) return found
  // A shell that runs a script of Windows reads a carriage return at the end of each line.
  const script = args.find((arg) => !arg.startsWith('-'))
  return script === undefined ? undefined : explainLineEndings(resolve(cwd, script))
}

interface Place {
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
}

/** The program's file, as the system finds it. */
async function findProgram(program: string, { env, cwd }: Place): Promise<string | Explanation> {
  if (program.includes('/')) return isAbsolute(program) ? program : resolve(cwd, program)
  const folders = (env.PATH ?? '').split(delimiter).map((folder) => resolve(cwd, folder))
  for (const folder of folders) {
    if (await isFile(join(folder, program))) return join(folder, program)
  }
  const isHere = await isFile(join(cwd, program))
  return {
    what: `no folder of PATH has a program ${program}`,
    remedy: isHere
      ? `write ./${program}: there is one in ${cwd}`
      : 'install it, or name its file with its folder',
  }
}

async function explainProgram(path: string, place: Place): Promise<Explanation | undefined> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => error.code)
  if (typeof found !== 'object')
    return { what: `${path} ${absence(found)}`, remedy: 'correct the name in the command' }
  if (found.isDirectory()) return { what: `${path} is a folder`, remedy: 'name the program in it' }
  if (!found.isFile()) return { what: `${path} is no regular file`, remedy: 'name a program' }
  if (!(await mayRun(path))) {
    const remedy =
      (found.mode & 0o111) === 0
        ? `chmod +x ${path}`
        : 'its disk or its folder forbids it: see mount and ls -l'
    return { what: `${path} may not be executed`, remedy }
  }
  const beginning = await readBeginning(path)
  return explainScript(path, beginning, place) ?? explainBinary(path, beginning)
}

const ABSENCES: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  ENOTDIR: 'does not exist: a part of its path is a file',
  ELOOP: 'is a link in a circle',
}

const absence = (code: string | undefined): string => ABSENCES[code ?? ''] ?? `cannot be reached (${code})`

const BYTE_ORDER_MARK = '\xef\xbb\xbf'

/** A script's first line names its interpreter. `beginning` has a character for each byte. */
function explainScript(
  path: string,
  beginning: string,
  place: Place,
): Promise<Explanation | undefined> | undefined {
  if (beginning.startsWith(`${BYTE_ORDER_MARK}#!`)) {
    const what = `${path} begins with a byte order mark, so its first line names no interpreter`
    return Promise.resolve({ what, remedy: 'save it as UTF-8 without a byte order mark' })
  }
  if (!beginning.startsWith('#!')) return undefined
  const [line = ''] = beginning.slice(2).split('\n')
  if (line.endsWith('\r')) return Promise.resolve(windows(path))
  return explainInterpreter(path, line.trim(), place)
}

function windows(path: string): Explanation {
  return {
    what: `${path} has Windows line endings (CRLF), so its lines end with a carriage return`,
    remedy: `save it with line feeds alone: sed -i 's/\\r$//' ${path}`,
  }
}

async function explainInterpreter(
  path: string,
  line: string,
  { env, cwd }: Place,
): Promise<Explanation | undefined> {
  const [interpreter = '', ...words] = line.split(/\s+/)
  const remedy = 'install the interpreter, or correct the first line'
  if (interpreter === '') return { what: `the first line of ${path} names no interpreter`, remedy }
  if (!(await isFile(resolve(cwd, interpreter)))) {
    return {
      what: `the first line of ${path} names the interpreter ${interpreter}, which does not exist`,
      remedy,
    }
  }
  const program = basename(interpreter) === 'env' ? words.find((word) => !/^-|=/.test(word)) : undefined
  if (program === undefined || typeof (await findProgram(program, { env, cwd })) === 'string')
    return undefined
  return { what: `the first line of ${path} asks env for ${program}, which no folder of PATH has`, remedy }
}

/** The machines of ELF by Node's names: https://refspecs.linuxfoundation.org/elf (e_machine). */
const MACHINES: Readonly<Record<number, string>> = {
  3: 'ia32',
  40: 'arm',
  62: 'x64',
  183: 'arm64',
  243: 'riscv64',
}

async function explainBinary(path: string, beginning: string): Promise<Explanation | undefined> {
  const bytes = Buffer.from(beginning, 'latin1')
  const another = (kind: string): Explanation => ({
    what: `${path} is ${kind}`,
    remedy: `build it for ${process.platform} on ${process.arch}`,
  })
  if (bytes.length === 0) return { what: `${path} is empty`, remedy: 'write the program to it' }
  if (beginning.startsWith('MZ')) return another('a program of Windows')
  if (/^(\xcf\xfa\xed\xfe|\xfe\xed\xfa\xcf|\xca\xfe\xba\xbe)/.test(beginning))
    return process.platform === 'darwin' ? undefined : another('a program of macOS')
  if (!beginning.startsWith('\x7fELF')) {
    // The system runs a text without a first line of this kind by sh.
    if (/^[\t\n\r\x20-\x7e\x80-\xff]*$/.test(beginning))
      return {
        what: `${path} has no first line "#!INTERPRETER", so sh runs it`,
        remedy: 'add the line, or put the interpreter into the command',
      }
    return another('no program of a kind that is known')
  }
  if (process.platform !== 'linux') return another('a program of Linux')
  const machine = bytes.length < 20 ? undefined : bytes.readUInt16LE(18)
  if (machine !== undefined && MACHINES[machine] !== process.arch && MACHINES[machine] !== 'ia32')
    return another(`a program for ${MACHINES[machine] ?? `the machine ${machine}`}`)
  const loader = /\/[\w./-]*\/ld[\w.-]*\.so[\w.]*/.exec(beginning)?.[0]
  if (loader === undefined || (await isFile(loader))) return undefined
  return {
    what: `${path} needs the loader ${loader}, which does not exist: it is built for another system`,
    remedy: 'build it for this one, or install that loader (Debian: libc6-i386 for a 32-bit program)',
  }
}

async function explainLineEndings(path: string): Promise<Explanation | undefined> {
  if (!(await isFile(path)))
    return { what: `${path} does not exist`, remedy: 'correct the name in the command' }
  return /^[^\n]*\r\n/.test(await readBeginning(path)) ? windows(path) : undefined
}

async function readBeginning(path: string): Promise<string> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch(() => undefined)
  if (handle === undefined) return ''
  try {
    const { buffer, bytesRead } = await handle.read(new Uint8Array(BEGINNING_BYTES), 0, BEGINNING_BYTES, 0)
    return Buffer.from(buffer.subarray(0, bytesRead)).toString('latin1')
  } finally {
    await handle.close()
  }
}

const isFolder = (path: string): Promise<boolean> =>
  stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  )

const isFile = (path: string): Promise<boolean> =>
  stat(path).then(
    (found) => found.isFile(),
    () => false,
  )

const mayRun = (path: string): Promise<boolean> =>
  access(path, constants.X_OK).then(
    () => true,
    () => false,
  )
