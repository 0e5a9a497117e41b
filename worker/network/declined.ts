// The client carries out no more tasks of this run, and it says so once: a limit that it keeps cannot be met again. The run goes on without
// it. A task that is refused alone is a FedsamError SiteRefused.

export class RunDeclined extends Error {
  override readonly name = 'RunDeclined'
}
