// What the pods of a job and the programs in them agree on: ports, containers, mounts.

/** Where a coordinator serves `/metrics`, `/healthz` and `/readyz`, unless a variable names another port. */
export const COORDINATOR_PORT = 8080
