// A site: a client in another network, with a key of its own and one connection for all its jobs. Here is what a site and the gate agree
// on: how the site names the jobs that it takes part in, and which subjects its connection has beside those of its jobs. Pure.
import * as v from 'valibot'
import { decodeJson } from './canonical.ts'

/** The user name of every site on the bus. The site's key says which one it is. */
export const SITE_USER = 'site'

/** A request here returns the permissions that the connection has, and the server's time. nats-server itself answers. */
export const USER_INFO_SUBJECT = '$SYS.REQ.USER.INFO'

/** Jobs that one connection may name. */
export const MOST_SITE_JOBS = 64

/** Longest list of jobs, in bytes. It travels in the CONNECT line, of which nats-server reads 4 KiB. */
export const MOST_LIST_BYTES = 3000

/** A job by the names that people use. Its uid changes when it is made again. */
export interface JobName {
  readonly namespace: string
  readonly name: string
}

/** The inbox of a site for answers that belong to no run. */
export function siteInbox(publicKey: string): string {
  return `fedsam.site.${publicKey}.inbox`
}

const JobText = v.pipe(
  v.string(),
  v.regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\/[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/),
)
const ListSchema = v.pipe(v.array(JobText), v.maxLength(MOST_SITE_JOBS))

/** "namespace/name" */
export function jobText({ namespace, name }: JobName): string {
  return `${namespace}/${name}`
}

/** The job of "namespace/name"; undefined for any other text. */
export function jobNameOf(text: string): JobName | undefined {
  if (!v.is(JobText, text)) return undefined
  const [namespace, name] = text.split('/') as [string, string]
  return { namespace, name }
}

/** The list as the site sends it, in the place of a password. Throws RangeError where it is too long. */
export function encodeJobList(jobs: readonly JobName[]): string {
  const text = JSON.stringify(jobs.map(jobText))
  if (jobs.length > MOST_SITE_JOBS || Buffer.byteLength(text) > MOST_LIST_BYTES)
    throw new RangeError(
      `a site names at most ${MOST_SITE_JOBS} jobs of one federation, in ${MOST_LIST_BYTES} bytes`,
    )
  return text
}

/** The list that a stranger sent; undefined for any other text. */
export function decodeJobList(text: string): JobName[] | undefined {
  try {
    const bounds = { bytes: MOST_LIST_BYTES, depth: 2, values: MOST_SITE_JOBS + 1 }
    const read = v.safeParse(ListSchema, decodeJson(Buffer.from(text, 'utf8'), bounds))
    return read.success ? read.output.map((job) => jobNameOf(job)!) : undefined
  } catch {
    return undefined
  }
}
