// The commands of `fedsam`: what each is for and takes. A command's code is loaded when it runs: help and mistakes need no model,
// codec or client.
import { TRAINER } from '#protocol/environment.ts'
import type { Command } from './command.ts'

const CLUSTER = `  -n, --namespace NS    the job's namespace; else the context's
  --context CONTEXT     a context of the kubeconfig; else the current one
  --kubeconfig FILE     else KUBECONFIG, ~/.kube/config, or the pod's own account`

const SOURCE = `SOURCE is the output folder of a run, s3://BUCKET/PREFIX of one, or fj/NAME of a cluster.
A bucket is read with your own AWS credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY,
AWS_PROFILE, a role. FedSAM never takes the job's credentials by itself.

  --endpoint URL        of the S3 service, in place of the job's (or AWS_ENDPOINT_URL_S3): one that
                        only pods reach is reached through kubectl port-forward
  --credentials-from-secret
                        fj/NAME: use the Secret that the job names; you must be allowed to read it
A certificate of your own authority: name its file in NODE_EXTRA_CA_CERTS.

${CLUSTER}`

/** In the order of the help. */
export const COMMANDS: readonly Command[] = [
  {
    name: 'run',
    usage: 'run JOB.yaml [--output DIR] [--set path=value]... [--pass-env NAME]... [--processes] [--json]',
    summary: 'runs the whole job on this machine; on the same output it resumes or adds rounds',
    details: `  --output DIR          where the record, the model and the report go; else fedsam-run/NAME
  --set PATH=VALUE      changes a field of spec: --set rounds=2
  --pass-env NAME       gives this variable to the trainers, too: their environment is an allowlist
                        (docs/trainer-seam.md)
  --processes           coordinator and workers as programs over a real NATS and S3 server
  --json                events as JSON lines`,
    load: async () => (await import('./run.ts')).run,
  },
  {
    name: 'plan',
    usage: 'plan JOB.yaml [--set path=value]... [--json]',
    summary: 'what the job would exchange, compute and need, without starting it',
    details: `  --set PATH=VALUE      changes a field of spec: --set rounds=2
  --json                the plan as JSON`,
    load: async () => (await import('./plan.ts')).plan,
  },
  {
    name: 'export',
    usage:
      'export SOURCE --to FOLDER [--dtype float32|original] [--endpoint URL] [--credentials-from-secret] [-n NS]',
    summary: "verifies a run's output and writes its model as a complete checkpoint that Hugging Face opens",
    details: `  --to FOLDER           a new or empty folder
  --expect-head DIGEST  sha256:… of the last result: a record with another one is not exported
  --dtype DTYPE         of the trained tensors: float32 as the run kept them (the default), or original: rounded once to what
                        the checkpoint, or the client, had them in

${SOURCE}`,
    load: async () => (await import('./export.ts')).exportRun,
  },
  {
    name: 'verify',
    usage: 'verify SOURCE [--expect-head DIGEST] [--endpoint URL] [--credentials-from-secret] [-n NS]',
    summary: "holds everything that a run's record names against its digests",
    details: `  --expect-head DIGEST  sha256:… of the last result, kept from elsewhere: the status of a job, a log

${SOURCE}`,
    load: async () => (await import('./verify.ts')).verify,
  },
  {
    name: 'trainer',
    usage: 'trainer check [--dataset FOLDER] [--config name=value]... -- PROGRAM [ARGUMENT]...',
    summary: 'exercises a program on the trainer seam as a run would, and says what is wrong with it',
    details: `  --dataset FOLDER      what ${TRAINER.dataset.name} names; or the whole of it as JSON
  --client NAME         what ${TRAINER.client.name} says
  --config name=value   reaches fit and evaluate, beside server_round and seed
  --parameters FILE     start from a safetensors file, not from get_parameters
  --pass-env NAME       gives it this variable, too: its environment is an allowlist
  --no-progress-seconds N
                        a program that writes nothing and uses no processor for N seconds
                        has failed; else 600`,
    load: async () => (await import('./trainer.ts')).trainer,
  },
  {
    name: 'status',
    usage: 'status NAME [-n NS] [--json]',
    summary: 'what a job in a cluster does, who takes part, and what it waits for',
    details: `  --json                the same as one JSON object
${CLUSTER}`,
    load: async () => (await import('./status.ts')).status,
  },
  {
    name: 'watch',
    usage: 'watch NAME [-n NS] [--json]',
    summary: 'the status, followed until the job is over: 0 complete, 1 failed',
    details: `  --json                a JSON object per change
${CLUSTER}`,
    load: async () => (await import('./watch.ts')).watch,
  },
  {
    name: 'logs',
    usage: 'logs NAME [--client SITE] [--follow] [--previous] [-n NS]',
    summary: "what coordinator and clients of a job say; a client's trainer and its network half",
    details: `  --client SITE         a partition's name, or coordinator; else all of them
  -f, --follow          go on as they say more; at most ten logs at once
  --previous            of the containers' run before this one
${CLUSTER}`,
    load: async () => (await import('./logs.ts')).logs,
  },
  {
    name: 'doctor',
    usage: 'doctor [NAME] [-f JOB.yaml] [-n NS] [--endpoint URL] [--nats URL] [--json]',
    summary: 'whether a cluster, and a job in it, has what it needs; what to do where not',
    details: `  NAME                  a job of the cluster: its store, bus, Secrets, claims and images too
  -f, --file JOB.yaml   the same of a job that is not there yet
  --endpoint URL        of the S3 service as it is reached from here (kubectl port-forward)
  --nats URL            of the NATS server as it is reached from here
  --json                findings as a JSON array
  --credentials-from-secret
                        probe the store with the Secret that the job names, not with your own
                        AWS credentials; you must be allowed to read it
${CLUSTER}`,
    load: async () => (await import('./doctor.ts')).doctor,
  },
]

/** All commands, and what an exit code says. `program` is how it was started: fedsam, or kubectl fedsam. */
export function helpText(program: string): string {
  return `fedsam: federated fine-tuning, where the data lies

${COMMANDS.map(({ usage, summary }) => `  ${program} ${usage}\n      ${summary}`).join('\n')}

Options of one command: ${program} COMMAND --help
Exit codes: 0 complete, 1 failed, 2 invalid job or usage, 130 interrupted.
`
}

/** One command's. */
export function commandHelp(program: string, { usage, summary, details }: Command): string {
  return `usage: ${program} ${usage}\n\n${summary}\n\n${details}\n`
}
