// How this machine reaches its package registries, for builds: npm's and pip's settings, certificate authorities of its own, and what it
// has downloaded before. Promises: arguments that mount all of it while a build runs; none of it becomes part of a layer, but the
// empty files on which it is mounted do, so images.ts builds with them only the stages that final ones copy from.
import { execFile } from 'node:child_process'
import { access, mkdir, readFile, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** Where a build finds the machine's certificate authorities. */
const AUTHORITIES = '/run/machine/authorities.pem'
/** Where the Dockerfile's stage `tensorflow` keeps what worker/tensorflow/addon/build.ts caches. */
const TENSORFLOW = '/tensorflow/fedsam/tensorflow'
/** npm's variables that say how to reach a registry; npm sets dozens of others for what it runs. */
const NPM_VARIABLES = ['registry', 'proxy', 'https-proxy', 'noproxy', 'strict-ssl']

export interface MachineSettings {
  /** Build arguments; they count as part of a layer's origin, so every build gets the same. */
  readonly args: readonly string[]
  readonly volumes: readonly string[]
}

/** As arguments of buildah; `folder` takes the files that are made for it. */
export async function machineSettings(folder: string): Promise<MachineSettings> {
  const settings = join(folder, 'settings')
  await mkdir(settings, { recursive: true })
  const authorities = await firstThere([
    process.env.SSL_CERT_FILE,
    process.env.NODE_EXTRA_CA_CERTS,
    '/etc/ssl/certs/ca-certificates.crt',
  ])
  const [npmrc, pipConf] = [join(settings, 'npmrc'), join(settings, 'pip.conf')]
  const userFile = await readFile(
    process.env.npm_config_userconfig || join(homedir(), '.npmrc'),
    'utf8',
  ).catch(() => '')
  await writeFile(npmrc, npmSettings(userFile, process.env, authorities && AUTHORITIES), { mode: 0o600 })
  await writeFile(pipConf, pipSettings(await pipList(), authorities && AUTHORITIES), { mode: 0o600 })
  const volumes = [
    ...(authorities ? [`${authorities}:${AUTHORITIES}:ro`] : []),
    `${npmrc}:/root/.npmrc:ro`,
    `${pipConf}:/etc/pip.conf:ro`,
    `${await made(await npmCache())}:/root/.npm`,
    `${await made(await tensorflowCache(folder))}:${TENSORFLOW}`,
  ]
  return {
    args: authorities ? ['--build-arg', `AUTHORITIES=${AUTHORITIES}`] : [],
    volumes: volumes.flatMap((volume) => ['--volume', volume]),
  }
}

/** The user's own file, the variables that matter, and the authorities' place in the build; later lines win. */
export function npmSettings(
  userFile: string,
  env: Readonly<Record<string, string | undefined>>,
  authorities: string | undefined,
): string {
  const lines = userFile.split('\n').filter((line) => !/^\s*(cafile|cache|prefix)\s*=/.test(line))
  for (const name of NPM_VARIABLES) {
    const value = env[`npm_config_${name.replaceAll('-', '_')}`]
    if (value) lines.push(`${name}=${value}`)
  }
  if (authorities) lines.push(`cafile=${authorities}`)
  return `${lines.join('\n')}\n`
}

/** From what `pip config list` prints: SECTION.NAME='VALUE'. Paths of this machine mean nothing in a build. */
export function pipSettings(list: string, authorities: string | undefined): string {
  const lines = ['[global]']
  for (const [, name, value] of list.matchAll(/^(?:global|install|download|:env:)\.([\w-]+)='(.*)'$/gm))
    if (!/^(cert|find-links|cache-dir|client-cert|target|prefix|user|config-file)$/.test(name!))
      lines.push(`${name} = ${value!.replaceAll('\\n', '\n  ')}`)
  if (authorities) lines.push(`cert = ${authorities}`)
  return `${lines.join('\n')}\n`
}

async function pipList(): Promise<string> {
  return output('python3', ['-m', 'pip', 'config', 'list'])
}

async function npmCache(): Promise<string> {
  return (await output('npm', ['config', 'get', 'cache'])).trim() || join(homedir(), '.npm')
}

/** What was compiled here serves the image where both are the same Debian; elsewhere the image's has a folder of its own. */
async function tensorflowCache(folder: string): Promise<string> {
  const system = await readFile('/etc/os-release', 'utf8').catch(() => '')
  return system.includes('VERSION_CODENAME=bookworm')
    ? join(folder, '..', 'tensorflow')
    : join(folder, 'tensorflow')
}

async function made(folder: string): Promise<string> {
  await mkdir(folder, { recursive: true })
  return folder
}

async function firstThere(files: readonly (string | undefined)[]): Promise<string | undefined> {
  for (const file of files)
    if (
      file &&
      (await access(file).then(
        () => true,
        () => false,
      ))
    )
      return file
  return undefined
}

/** What a program prints; nothing where it is not there or fails. */
async function output(program: string, args: readonly string[]): Promise<string> {
  return promisify(execFile)(program, args).then(
    ({ stdout }) => stdout,
    () => '',
  )
}
