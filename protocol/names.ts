// Names of what a FederatedJob becomes: its children in the cluster and its place in the store. Computed, never looked up.
// They fit 63 characters, a label's length, because the CRD bounds the names that they are made of.

const LONGEST = 63

/** The Job, ServiceAccount, Role and RoleBinding of a job's coordinator. Throws RangeError where the name is too long. */
export function coordinatorName(job: string): string {
  return checked(`${job}-coordinator`)
}

/** The Job and ServiceAccount of a partition's worker. Throws RangeError where the name is too long. */
export function workerName(job: string, partition: string): string {
  return checked(`${job}-worker-${partition}`)
}

/** What all keys of a run begin with in a bucket: `prefix` is storage.s3.prefix, uid the FederatedJob's. */
export function runPrefix(prefix: string, job: { namespace: string; name: string; uid: string }): string {
  return [...(prefix === '' ? [] : [prefix]), job.namespace, job.name, job.uid].join('/')
}

function checked(name: string): string {
  if (name.length > LONGEST)
    throw new RangeError(`${name} has ${name.length} characters, more than a label can hold`)
  return name
}
