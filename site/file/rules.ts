// The rules of a site's file that no schema can say: addresses, and names that one part gives and another uses. Pure.
import { isObject } from '#protocol/json-object.ts'
import { jobNameOf } from '#protocol/sites.ts'
import { closedPortOf } from '#protocol/websocket-ports.ts'
import { JOB } from './schema.ts'
import { BUILT_IN, type SitePath } from './site.ts'

/** One problem: `message` describes it and, after a semicolon, names the remedy. */
export interface SiteProblem {
  readonly path: SitePath
  readonly message: string
}

type Fields = Readonly<Record<string, unknown>>

/** All problems of a value, which may lack the schema's structure: the parts that have another form are left out. */
export function checkSiteRules(value: unknown): SiteProblem[] {
  const site = fieldsOf(value)
  return [
    ...namesOf(site.datasets).flatMap((name) => checkDataset(name, fieldsOf(fieldsOf(site.datasets)[name]))),
    ...namesOf(site.trainers).flatMap((name) => checkTrainer(name, fieldsOf(fieldsOf(site.trainers)[name]))),
    ...itemsOf(site.models).flatMap((model, at) => checkModel(model, ['models', at])),
    ...itemsOf(site.federations).flatMap((federation, at) =>
      checkFederation(fieldsOf(federation), ['federations', at], site),
    ),
  ]
}

function checkFederation(federation: Fields, path: SitePath, site: Fields): SiteProblem[] {
  return [
    ...checkAddress(federation.bus, [...path, 'bus'], BUS),
    ...checkPort(federation.bus, [...path, 'bus']),
    ...checkAddress(federation.store, [...path, 'store'], STORE),
    ...checkAddress(federation.proxy, [...path, 'proxy'], PROXY),
    ...itemsOf(federation.jobs).flatMap((job, at) => checkJob(fieldsOf(job), [...path, 'jobs', at], site)),
  ]
}

interface AddressRule {
  readonly wanted: string
  accepts(url: URL): boolean
}

const isPlain = (url: URL): boolean => url.search === '' && url.hash === ''
const hasUser = (url: URL): boolean => url.username !== '' || url.password !== ''
const BUS: AddressRule = {
  wanted: 'wss://host/path',
  accepts: (url) => url.protocol === 'wss:' && isPlain(url) && !hasUser(url),
}
const STORE: AddressRule = {
  wanted: 'https://host, without a path',
  accepts: (url) => url.protocol === 'https:' && url.pathname === '/' && isPlain(url) && !hasUser(url),
}
/** A proxy may need a user and a password. */
const PROXY: AddressRule = {
  wanted: 'http://host:port or https://host:port',
  accepts: (url) => /^https?:$/.test(url.protocol) && url.pathname === '/' && isPlain(url),
}

function checkAddress(value: unknown, path: SitePath, { wanted, accepts }: AddressRule): SiteProblem[] {
  if (typeof value !== 'string') return []
  const fits = URL.canParse(value) && accepts(new URL(value))
  return fits ? [] : [{ path, message: `is not the address that belongs here; write ${wanted}` }]
}

/** A WebSocket to such a port ends without a reason. */
function checkPort(bus: unknown, path: SitePath): SiteProblem[] {
  const port = typeof bus === 'string' && URL.canParse(bus) ? closedPortOf(new URL(bus)) : undefined
  if (port === undefined) return []
  const remedy = 'ask the people who run the federation for an address with another port'
  return [{ path, message: `names port ${port}, which the fetch standard closes to WebSockets; ${remedy}` }]
}

function checkJob({ job, dataset, trainer }: Fields, path: SitePath, site: Fields): SiteProblem[] {
  const problems: SiteProblem[] = []
  // The schema reports another form.
  if (typeof job === 'string' && new RegExp(JOB, 'u').test(job) && jobNameOf(job) === undefined)
    problems.push({ path: [...path, 'job'], message: 'is too long for the name of a job; correct it' })
  const known = namesOf(site.datasets)
  if (typeof dataset === 'string' && !known.includes(dataset))
    problems.push({
      path: [...path, 'dataset'],
      message: `names no data set of this file; ${oneOf('describe it in datasets', known)}`,
    })
  const trainers = [BUILT_IN, ...namesOf(site.trainers)]
  if (typeof trainer === 'string' && !trainers.includes(trainer))
    problems.push({
      path: [...path, 'trainer'],
      message: `names no trainer of this file; ${oneOf('describe it in trainers', trainers)}`,
    })
  return problems
}

function oneOf(remedy: string, names: readonly string[]): string {
  return names.length === 0 ? remedy : `${remedy}, or write ${names.slice(0, 20).join(', ')}`
}

const NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/
const NAME_REMEDY =
  "write lower-case letters, digits and '-', at most 63, with a letter or a digit at both ends"

function checkName(name: string, path: SitePath): SiteProblem[] {
  if (NAME.test(name) && name.length <= 63) return []
  return [{ path, message: `is not a name that a job of this file can use; ${NAME_REMEDY}` }]
}

function checkDataset(name: string, dataset: Fields): SiteProblem[] {
  const problems = checkName(name, ['datasets', name])
  if (dataset.layout === 'COCO' && !dataset.annotationsFile)
    problems.push({
      path: ['datasets', name, 'annotationsFile'],
      message: 'is missing, and the layout is COCO; name the JSON file',
    })
  return problems
}

/** The names of environment variables. */
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/

function checkTrainer(name: string, trainer: Fields): SiteProblem[] {
  const path = ['trainers', name]
  const wrong = namesOf(trainer.env).filter((variable) => !VARIABLE.test(variable))
  return [
    ...checkName(name, path),
    ...wrong.map((variable) => ({
      path: [...path, 'env', variable],
      message: "is not the name of a variable; write letters, digits and '_', without a digit first",
    })),
  ]
}

const MODEL = /^(hf:\/\/[A-Za-z0-9._-]+\/[A-Za-z0-9._-]+(@[^@\s]+)?|s3:\/\/\S+|sha256:[0-9a-f]{64})$/

function checkModel(model: unknown, path: SitePath): SiteProblem[] {
  if (typeof model !== 'string' || MODEL.test(model)) return []
  return [
    {
      path,
      message:
        'is not a model; write hf://owner/name@revision, s3://bucket/prefix, or sha256: and 64 hexadecimal digits',
    },
  ]
}

function fieldsOf(value: unknown): Fields {
  return isObject(value) ? value : {}
}

function itemsOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

function namesOf(value: unknown): string[] {
  return Object.keys(fieldsOf(value))
}
