// The settings of a Hugging Face Hub as huggingface_hub reads them (constants.py, utils/_auth.py): endpoint, token, cache, offline
// mode. Guarantees: errors name the variable or the file, and no token or password is in a message.
import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { FedsamError } from '#protocol/errors.ts'
import type { Environment } from '#runtime/environment.ts'

/** The variables, with the meanings that huggingface_hub gives them; those of transport/proxy.ts count too. */
export type HubEnvironment = Environment

interface HubSettings {
  /** Without a slash at its end. */
  readonly endpoint: string
  readonly token: string | undefined
  /** The cache folder. */
  readonly cache: string
  /** The variable that forbids requests; undefined where they are allowed. */
  readonly offline: string | undefined
}

/** Reads the settings, and the token's file where no variable holds a token. Throws FedsamError InvalidJob. */
export async function hubSettings(env: HubEnvironment, home: string = homedir()): Promise<HubSettings> {
  const folder = expand(
    env.HF_HOME || join(expand(env.XDG_CACHE_HOME || join(home, '.cache'), home), 'huggingface'),
    home,
  )
  return {
    endpoint: endpointOf(env),
    token: await tokenOf(env, expand(env.HF_TOKEN_PATH || join(folder, 'token'), home)),
    cache: expand(env.HF_HUB_CACHE || env.HUGGINGFACE_HUB_CACHE || join(folder, 'hub'), home),
    offline: ['HF_HUB_OFFLINE', 'TRANSFORMERS_OFFLINE'].find((name) => isTrue(env[name])),
  }
}

function endpointOf(env: HubEnvironment): string {
  const given = (env.HF_ENDPOINT || 'https://huggingface.co').trim().replace(/\/+$/, '')
  const url = URL.canParse(given) ? new URL(given) : undefined
  if (!url || !/^https?:$/.test(url.protocol)) throw badEndpoint('is not a web address')
  if (url.username !== '' || url.password !== '') throw badEndpoint('has a user or a password in its address')
  return given
}

function badEndpoint(what: string): FedsamError {
  return new FedsamError('InvalidJob', `HF_ENDPOINT ${what}`, {
    remedy:
      'Set HF_ENDPOINT to the address of a Hugging Face Hub, or unset it. A token belongs into HF_TOKEN.',
  })
}

async function tokenOf(env: HubEnvironment, file: string): Promise<string | undefined> {
  if (isTrue(env.HF_HUB_DISABLE_IMPLICIT_TOKEN)) return undefined
  const name = ['HF_TOKEN', 'HUGGING_FACE_HUB_TOKEN'].find((candidate) => cleaned(env[candidate]) !== '')
  if (name !== undefined) return checked(cleaned(env[name]), name)
  const text = await readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT' || cause.code === 'ENOTDIR') return ''
    throw new FedsamError('InvalidJob', `the token's file ${file} cannot be read (${cause.code})`, {
      remedy: 'Let this user read it, name another file with HF_TOKEN_PATH, or set HF_TOKEN.',
      cause,
    })
  })
  return cleaned(text) === '' ? undefined : checked(cleaned(text), file)
}

/** The token. It goes into a header, which takes visible ASCII only. */
function checked(token: string, where: string): string {
  if (/^[\x21-\x7e]+$/.test(token)) return token
  throw new FedsamError('InvalidJob', `${where} holds a token with spaces or other characters in it`, {
    remedy: 'Copy the token again: it is one word that begins with hf_.',
  })
}

function cleaned(text: string | undefined): string {
  return (text ?? '').replaceAll(/[\r\n]/g, '').trim()
}

function isTrue(value: string | undefined): boolean {
  return ['1', 'ON', 'YES', 'TRUE'].includes((value ?? '').toUpperCase())
}

/** Replaces a leading ~, as a shell does. */
function expand(path: string, home: string): string {
  return path === '~' || path.startsWith('~/') ? join(home, path.slice(1)) : path
}
