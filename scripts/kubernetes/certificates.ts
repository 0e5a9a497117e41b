// Certificates of a Kubernetes of one's own: an authority, who it vouches for, the key of service-account tokens, and kubeconfig files.
// They lie as NAME.crt and NAME.key in one folder and are good for 30 days.
import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** Who a certificate is for: Kubernetes reads the user from CN and its groups from O. */
export interface Holder {
  readonly name: string
  readonly subject: string
  /** Names of a server, as OpenSSL writes them: DNS:localhost, IP:127.0.0.1 */
  readonly serves?: readonly string[]
}

export const ADMIN: Holder = { name: 'admin', subject: '/O=system:masters/CN=admin' }

/** The API server under every name by which it is called. */
export function apiserverHolder(addresses: readonly string[]): Holder {
  const service = ['kubernetes', 'kubernetes.default', 'kubernetes.default.svc']
  const serves = [
    ...['localhost', ...service].map((name) => `DNS:${name}`),
    ...addresses.map((address) => `IP:${address}`),
  ]
  return { name: 'apiserver', subject: '/CN=kube-apiserver', serves }
}

/** Writes ca, the holders' and accounts.key into the folder. */
export async function makeCertificates(folder: string, holders: readonly Holder[]): Promise<void> {
  const openssl = (args: string): Promise<unknown> =>
    promisify(execFile)('openssl', args.split(' '), { cwd: folder })
  const key = '-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
  await openssl(`req -x509 ${key} -days 30 -subj /CN=fedsam-test -keyout ca.key -out ca.crt`)
  const sign = '-CA ca.crt -CAkey ca.key -CAcreateserial -days 30'
  for (const { name, subject, serves } of holders) {
    if (serves) await writeFile(join(folder, `${name}.names`), `subjectAltName=${serves.join(',')}\n`)
    await openssl(`req ${key} -subj ${subject} -keyout ${name}.key -out ${name}.csr`)
    const names = serves ? ` -extfile ${name}.names` : ''
    await openssl(`x509 -req -in ${name}.csr ${sign} -out ${name}.crt${names}`)
  }
  await openssl('genrsa -out accounts.key 2048')
}

/** A kubeconfig for a holder, by paths into the folder. */
export function kubeconfigText(folder: string, server: string, holder: string): string {
  const file = (name: string): string => join(folder, name)
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'fedsam',
    contexts: [{ name: 'fedsam', context: { cluster: 'fedsam', user: holder } }],
    clusters: [{ name: 'fedsam', cluster: { server, 'certificate-authority': file('ca.crt') } }],
    users: [
      {
        name: holder,
        user: { 'client-certificate': file(`${holder}.crt`), 'client-key': file(`${holder}.key`) },
      },
    ],
  })
}
