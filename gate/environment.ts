// Reads the environment of the gate, and of the program that configures its nats-server; one error names all faults. The seeds of the
// keys come from files, which a Secret holds.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { GATE, GATE_CONFIG, GATE_SEEDS } from '#protocol/environment.ts'
import { FedsamError } from '#protocol/errors.ts'
import { type NatsKey, natsKey } from '#protocol/nkeys.ts'
import { COORDINATOR_PORT } from '#protocol/pods.ts'
import { SEED_BYTES } from '#protocol/signatures.ts'
import {
  type Environment,
  flag,
  names,
  optional,
  port,
  readVariables,
  required,
} from '#runtime/environment.ts'
import type { WebsocketListener } from './server-config.ts'

export interface GateEnvironment {
  readonly natsUrl: string
  /** The authorities of the NATS server's certificate, a PEM file; '' for those of the system. */
  readonly natsCa: string
  /** Empty: all namespaces. */
  readonly namespaces: readonly string[]
  readonly accountFolder: string | undefined
  readonly metricsPort: number
  readonly seeds: string
}

/** Throws FedsamError InvalidJob. */
export function readGate(env: Environment): GateEnvironment {
  const { natsUrl, natsCa, watchNamespaces, accountFolder, metricsPort, gateSeeds } = readVariables(
    env,
    { ...GATE, ...GATE_SEEDS },
    {
      natsUrl: required,
      natsCa: optional,
      watchNamespaces: names,
      accountFolder: optional,
      metricsPort: port(COORDINATOR_PORT),
      gateSeeds: required,
    },
  )
  const folder = accountFolder || undefined
  return {
    natsUrl,
    natsCa,
    namespaces: watchNamespaces,
    accountFolder: folder,
    metricsPort,
    seeds: gateSeeds,
  }
}

export interface ConfigEnvironment {
  readonly file: string
  readonly port: number
  readonly tlsFolder: string | undefined
  readonly websocket: WebsocketListener | undefined
  readonly seeds: string
}

/** Throws FedsamError InvalidJob. */
export function readConfig(env: Environment): ConfigEnvironment {
  const read = readVariables(
    env,
    { ...GATE_CONFIG, ...GATE_SEEDS },
    {
      natsConfig: required,
      natsPort: port(4222),
      natsTls: optional,
      natsWebsocketPort: port(0),
      natsWebsocketTls: flag,
      gateSeeds: required,
    },
  )
  return {
    file: read.natsConfig,
    port: read.natsPort,
    tlsFolder: read.natsTls || undefined,
    websocket:
      read.natsWebsocketPort === 0
        ? undefined
        : { port: read.natsWebsocketPort, tls: read.natsWebsocketTls ?? read.natsTls !== '' },
    seeds: read.gateSeeds,
  }
}

export interface GateKeys {
  /** Signs the gate's answers. nats-server trusts this key. */
  readonly issuer: NatsKey
  /** With which the gate connects. */
  readonly user: NatsKey
}

/** Throws FedsamError InvalidJob where a seed is missing or has another length. */
export async function readKeys(folder: string): Promise<GateKeys> {
  const read = async (type: 'account' | 'user', name: string): Promise<NatsKey> => {
    const file = join(folder, name)
    const remedy = `write ${SEED_BYTES} random bytes there; the chart's Secret of the gate holds them`
    const seed = await readFile(file).catch((cause: Error) => {
      throw new FedsamError('InvalidJob', `the gate's seed ${file} cannot be read: ${cause.message}`, {
        remedy,
        cause,
      })
    })
    if (seed.length !== SEED_BYTES)
      throw new FedsamError('InvalidJob', `the gate's seed ${file} has ${seed.length} bytes`, { remedy })
    return natsKey(type, seed)
  }
  return { issuer: await read('account', 'issuer'), user: await read('user', 'user') }
}
