// kubectl as a function: a kubeconfig bound, standard input as text.
import { execFile } from 'node:child_process'

export type Kubectl = (args: readonly string[], input?: string) => Promise<string>

/** Resolves to what kubectl prints; rejects with its error output. */
export function kubectlWith(executable: string, kubeconfig: string): Kubectl {
  return (args, input) =>
    new Promise((resolve, reject) => {
      const all = [`--kubeconfig=${kubeconfig}`, ...args]
      const child = execFile(executable, all, { maxBuffer: 1 << 26 }, (error, stdout, stderr) =>
        error ? reject(new Error(stderr.trim() || error.message)) : resolve(stdout),
      )
      child.stdin?.on('error', () => undefined) // it may end before it has read
      child.stdin?.end(input)
    })
}
