// Finds out why a program did not start, or ended before it did anything: names the file at fault and the remedy. The system
// reports ENOENT both for a missing script and for a missing interpreter. It reads the first bytes of the files in the command,
// and guarantees that it waits for none of them.
import { constants } from 'node:fs'
import { access, open, stat } from 'node:fs/promises'
import { basename, delimiter, isAbsolute, join, resolve } from 'node:path'

export interface Started {
  readonly command: readonly [string, ...string[]]
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
}

/** The fault with its file, and the remedy. */
export interface Explanation {
  readonly what: string
  readonly remedy: string
}

/** Bytes of a program that are read to find its kind: headers and first lines are shorter. */
const BEGINNING_BYTES = 4096

const SHELLS = /^(sh|bash|dash|zsh|ksh|ash)$/

/** Explains a command that did not start; undefined where its files have no fault. */
export async function explainStart({ command, env, cwd }: Started): Promise<Explanation | undefined> {
  if (!(await isFolder(cwd)))
    return {
      what: `the folder ${cwd} does not exist`,
      remedy: 'create it, or run the job in the folder that has it',
    }
  const [program, ...args] = command
  const path = await findProgram(program, { env, cwd })
  if (typeof path !== 'string') return path
  const found = await explainProgram(path, { env, cwd })
  // With -c the next word is the script itself.
  const isInline = args.some((arg) => /^-[a-z]*c$/.test(arg))
  if (found !== undefined || isInline || !SHELLS.test(basename(program))) return found
  // A shell reads the carriage returns of a Windows script as part of each line.
  const script = args.find((arg) => !arg.startsWith('-'))
  return script === undefined ? undefined : explainLineEndings(resolve(cwd, script))
}

interface Place {
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
}

/** The program's file, found as the system finds it. */
async function findProgram(program: string, { env, cwd }: Place): Promise<string | Explanation> {
  if (program.includes('/')) return isAbsolute(program) ? program : resolve(cwd, program)
  const folders = (env.PATH ?? '').split(delimiter).map((folder) => resolve(cwd, folder))
  for (const folder of folders) {
    if (await isFile(join(folder, program))) return join(folder, program)
  }
  const isHere = await isFile(join(cwd, program))
  return {
    what: `no folder of PATH has a program named ${program}`,
    remedy: isHere
      ? `write ./${program}: ${cwd} has a file of this name`
      : 'install it, or write its path in the command',
  }
}

async function explainProgram(path: string, place: Place): Promise<Explanation | undefined> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => error.code)
  if (typeof found !== 'object')
    return { what: `${path} ${absence(found)}`, remedy: 'correct the path in the command' }
  if (found.isDirectory())
    return { what: `${path} is a folder`, remedy: 'write the path of the program in this folder' }
  if (!found.isFile()) return { what: `${path} is not a regular file`, remedy: 'write the path of a program' }
  if (!(await mayRun(path))) {
    const remedy =
      (found.mode & 0o111) === 0
        ? `chmod +x ${path}`
        : 'allow it on this filesystem and in its folder: see mount and ls -l'
    return { what: `${path} is not executable`, remedy }
  }
  const beginning = await readBeginning(path)
  return explainScript(path, beginning, place) ?? explainBinary(path, beginning)
}

const ABSENCES: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  ENOTDIR: 'does not exist: a part of its path is a file',
  ELOOP: 'is a link that leads back to itself',
}

const absence = (code: string | undefined): string => ABSENCES[code ?? ''] ?? `cannot be reached (${code})`

const BYTE_ORDER_MARK = '\xef\xbb\xbf'

/** Checks the interpreter in a script's first line. `beginning` has one character per byte. */
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
  return { what: `the first line of ${path} asks env for ${program}, which is in no folder of PATH`, remedy }
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
  if (beginning.startsWith('MZ')) return another('a program for Windows')
  if (/^(\xcf\xfa\xed\xfe|\xfe\xed\xfa\xcf|\xca\xfe\xba\xbe)/.test(beginning))
    return process.platform === 'darwin' ? undefined : another('a program for macOS')
  if (!beginning.startsWith('\x7fELF')) {
    // Without an interpreter line, sh runs the text.
    if (/^[\t\n\r\x20-\x7e\x80-\xff]*$/.test(beginning))
      return {
        what: `${path} has no first line "#!INTERPRETER", so sh runs it`,
        remedy: 'add this line, or write the interpreter into the command',
      }
    return another('not a program of a known kind')
  }
  if (process.platform !== 'linux') return another('a program for Linux')
  const machine = bytes.length < 20 ? undefined : bytes.readUInt16LE(18)
  if (machine !== undefined && MACHINES[machine] !== process.arch && MACHINES[machine] !== 'ia32')
    return another(`a program for ${MACHINES[machine] ?? `the machine ${machine}`}`)
  const loader = /\/[\w./-]*\/ld[\w.-]*\.so[\w.]*/.exec(beginning)?.[0]
  if (loader === undefined || (await isFile(loader))) return undefined
  return {
    what: `${path} needs the loader ${loader}, which does not exist: the program is built for another system`,
    remedy: 'build it for this system, or install that loader (Debian: libc6-i386 for a 32-bit program)',
  }
}

async function explainLineEndings(path: string): Promise<Explanation | undefined> {
  if (!(await isFile(path)))
    return { what: `${path} does not exist`, remedy: 'correct the path in the command' }
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
