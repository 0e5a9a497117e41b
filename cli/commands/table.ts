// The commands of `fedsam` with their help. A command's code is loaded when it runs: help and usage errors load no model, codec or
// client.
import { TRAINER } from '#protocol/environment.ts'
import type { Command } from './command.ts'

const CLUSTER = `  -n, --namespace NS    the job's namespace (default: the context's)
  --context CONTEXT     a context of the kubeconfig (default: the current one)
  --kubeconfig FILE     the kubeconfig (default: KUBECONFIG, ~/.kube/config, or the pod's account)`

const SOURCE = `SOURCE is a run: its output folder, its s3://BUCKET/PREFIX, or fj/NAME in a cluster.
FedSAM reads a bucket with your own AWS credentials: AWS_ACCESS_KEY_ID and
AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or a role. It never uses the job's credentials unasked.

  --endpoint URL        the S3 service (default: the job's, or AWS_ENDPOINT_URL_S3); use kubectl
                        port-forward to reach one inside the cluster
  --credentials-from-secret
                        with fj/NAME: use the Secret that the job names; you need the right to read it
For certificates of your own authority, name the authority's file in NODE_EXTRA_CA_CERTS.

${CLUSTER}`

/** In the order of the help. */
export const COMMANDS: readonly Command[] = [
  {
    name: 'run',
    usage:
      'run JOB.yaml|FOLDER [--output DIR] [--set path=value]... [--pass-env NAME]... [--processes] [--json] [--clients N] [--run-config TEXT]...',
    summary: 'runs the whole job on this machine; with the same output folder it resumes or adds rounds',
    details: `  --output DIR          folder for the record, the model and the report (default: fedsam-run/NAME)
  --set PATH=VALUE      changes a field of spec, for example --set rounds=2
  --pass-env NAME       passes this variable to the trainers; without it they get only the variables
                        that docs/trainer-seam.md lists
  --processes           runs coordinator and workers as processes with a real NATS and S3 server
  --json                prints events as JSON lines
With the folder of a Flower app (pyproject.toml) in place of a job file, it runs the job that
fedsam flower FOLDER prints, with the options of that command:
  --clients N, --run-config TEXT`,
    load: async () => (await import('./run.ts')).run,
  },
  {
    name: 'flower',
    usage: 'flower FOLDER [--clients N] [--run-config TEXT]...',
    summary: 'prints the job of a Flower app: its ServerApp as the strategy, its ClientApp as the trainer',
    details: `  FOLDER                the app, with a pyproject.toml that has [tool.flwr.app]
  --clients N           how many clients (default: num-supernodes of the default federation there)
  --run-config TEXT     values in place of those in [tool.flwr.app.config], as for flwr run:
                        'lr=0.5 model="resnet"', or the name of a TOML file
python3 must have fedsam_client: it reads the project.`,
    load: async () => (await import('./flower.ts')).flower,
  },
  {
    name: 'plan',
    usage: 'plan JOB.yaml [--set path=value]... [--json]',
    summary: 'shows what the job will exchange, compute and need, without starting it',
    details: `  --set PATH=VALUE      changes a field of spec, for example --set rounds=2
  --json                prints the plan as JSON`,
    load: async () => (await import('./plan.ts')).plan,
  },
  {
    name: 'export',
    usage:
      'export SOURCE --to FOLDER [--dtype float32|original] [--expect-head DIGEST] [--trust KEY] [--endpoint URL] [--credentials-from-secret] [-n NS]',
    summary: "verifies a run's output and writes its model as a complete checkpoint that Hugging Face opens",
    details: `  --to FOLDER           a new or empty folder
  --expect-head DIGEST  sha256:… of the last result; a record with another one is not exported
  --trust KEY           the public key of a certifier, once or more; an output without a signature
                        that one of them vouches for is not exported
  --dtype DTYPE         dtype of the trained tensors: float32 as in the record (default), or original:
                        rounded once to the dtype of the checkpoint or of the client

${SOURCE}`,
    load: async () => (await import('./export.ts')).exportRun,
  },
  {
    name: 'verify',
    usage:
      'verify SOURCE [--expect-head DIGEST] [--trust KEY] [--endpoint URL] [--credentials-from-secret] [-n NS]',
    summary: "checks every file that a run's record names against its digest",
    details: `  --expect-head DIGEST  sha256:… of the last result, from another source: a job's status, or a log
  --trust KEY           the public key of a certifier, once or more: the operator's, or the one that
                        fedsam run printed. One of them must vouch for a signature of the output

${SOURCE}`,
    load: async () => (await import('./verify.ts')).verify,
  },
  {
    name: 'trainer',
    usage: 'trainer check [--dataset FOLDER] [--config name=value]... -- PROGRAM [ARGUMENT]...',
    summary: 'makes the calls of a run to a trainer program, and reports its faults',
    details: `  --dataset FOLDER      the data set for ${TRAINER.dataset.name}: a folder, or a dataset as JSON
  --client NAME         the value of ${TRAINER.client.name}
  --config name=value   passed to fit and evaluate, in addition to server_round and seed
  --parameters FILE     starts from this safetensors file instead of get_parameters
  --pass-env NAME       passes this variable to the program; without it the program gets only the
                        variables that docs/trainer-seam.md lists
  --no-progress-seconds N
                        a program without output and processor time for N seconds is killed
                        (default: 600)`,
    load: async () => (await import('./trainer.ts')).trainer,
  },
  {
    name: 'status',
    usage: 'status NAME [-n NS] [--json]',
    summary: 'shows the state of a job in a cluster, its clients, and what it waits for',
    details: `  --json                prints one JSON object
${CLUSTER}`,
    load: async () => (await import('./status.ts')).status,
  },
  {
    name: 'watch',
    usage: 'watch NAME [-n NS] [--json]',
    summary: 'follows the status until the job ends; exit code 0 complete, 1 failed',
    details: `  --json                prints one JSON object per change
${CLUSTER}`,
    load: async () => (await import('./watch.ts')).watch,
  },
  {
    name: 'logs',
    usage: 'logs NAME [--client SITE] [--follow] [--previous] [-n NS]',
    summary: "prints the logs of a job's coordinator and clients (trainer and network half)",
    details: `  --client SITE         a partition's name, or coordinator (default: all)
  -f, --follow          prints new lines as they come, of at most ten logs
  --previous            prints the logs of the previous containers
${CLUSTER}`,
    load: async () => (await import('./logs.ts')).logs,
  },
  {
    name: 'doctor',
    usage: 'doctor [NAME] [-f JOB.yaml] [-n NS] [--endpoint URL] [--nats URL] [--json]',
    summary: 'checks whether a cluster, and a job in it, has what it needs, and says what to do',
    details: `  NAME                  a job in the cluster: checks its store, bus, Secrets, claims and images too
  -f, --file JOB.yaml   the same for a job that does not exist yet
  --endpoint URL        the S3 service, as this machine reaches it (kubectl port-forward)
  --nats URL            the NATS server, as this machine reaches it
  --json                prints the findings as a JSON array
  --credentials-from-secret
                        checks the store with the Secret that the job names instead of your own
                        AWS credentials; you need the right to read it
${CLUSTER}`,
    load: async () => (await import('./doctor.ts')).doctor,
  },
  {
    name: 'nats',
    usage: 'nats NAME [--account ACCOUNT] [-n NS]',
    summary: 'prints the commands that give a job its user on a NATS server in operator mode',
    details: `  --account ACCOUNT     the NATS account of the user (default: the word ACCOUNT, for you to replace)
${CLUSTER}`,
    load: async () => (await import('./nats.ts')).nats,
  },
  {
    name: 'site',
    usage:
      'site key FILE | site check FILE [--network] [--job JOB.yaml --client NAME] | site run FILE | site join FILE NAMESPACE/NAME',
    summary:
      'a client in another network: makes its key, checks its file, and takes part in the jobs that it lists',
    details: `  key FILE              the file of the private half, which never leaves this machine; it is made where it
                        does not exist, and only this user may read it. The public half goes into
                        spec.partitions[].external.publicKey of the jobs in which the site takes part
  check FILE            checks the site's file, its key, its folder and its data, one line each
  --network             also connects to each federation of the file, as the site would
  --job JOB.yaml --client NAME
                        checks also whether the site would take part in this job, as this partition
  run FILE              takes part in every listed job until it is asked to stop; one line per change
  join FILE NAMESPACE/NAME
                        takes part in this listed job until it is over`,
    load: async () => (await import('./site.ts')).site,
  },
]

/** The list of commands and exit codes. `program` is the name that the user typed: fedsam, or kubectl fedsam. */
export function helpText(program: string): string {
  return `fedsam: federated fine-tuning; the data stays where it is

${COMMANDS.map(({ usage, summary }) => `  ${program} ${usage}\n      ${summary}`).join('\n')}

Options of one command: ${program} COMMAND --help
Exit codes: 0 complete, 1 failed, 2 invalid job or usage, 130 interrupted.
`
}

/** The help of one command. */
export function commandHelp(program: string, { usage, summary, details }: Command): string {
  return `usage: ${program} ${usage}\n\n${summary}\n\n${details}\n`
}
