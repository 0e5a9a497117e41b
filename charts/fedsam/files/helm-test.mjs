// `helm test`, as a program in the operator's image and with its account: the API server serves FederatedJobs to the operator, and an
// operator leads. The first it must be at once; for the second there is a minute, since pods may just have begun.
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

const ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount'
const {
  KUBERNETES_SERVICE_HOST: host,
  KUBERNETES_SERVICE_PORT: port,
  POD_NAMESPACE,
  WATCHED,
  SECONDS,
} = process.env

async function ask(path) {
  const authorization = `Bearer ${readFileSync(`${ACCOUNT}/token`, 'utf8').trim()}`
  const server = `https://${host.includes(':') ? `[${host}]` : host}:${port}`
  const answer = await fetch(`${server}/apis/${path}`, { headers: { authorization } })
  const text = await answer.text()
  // Of a path that it does not know the API server says so in plain words.
  const body = text.startsWith('{') ? JSON.parse(text) : { message: text.trim() }
  return { status: answer.status, body }
}

function end(text, code) {
  console.log(text)
  process.exit(code)
}

/** Empty where the lease is held and was renewed within its time, otherwise why not. */
async function whyNoLeader() {
  const { status, body } = await ask(
    `coordination.k8s.io/v1/namespaces/${POD_NAMESPACE}/leases/fedsam-operator`,
  )
  if (status !== 200) return body.message
  const { holderIdentity, renewTime, leaseDurationSeconds } = body.spec
  if (!holderIdentity) return 'its lease is free'
  const age = Math.round((Date.now() - Date.parse(renewTime)) / 1000)
  return age <= leaseDurationSeconds ? '' : `${holderIdentity} renewed its lease ${age} s ago`
}

for (const namespace of (WATCHED || '').split(',')) {
  const place = namespace === '' ? '' : `namespaces/${namespace}/`
  const { status, body } = await ask(`fedsam.dev/v1alpha1/${place}federatedjobs?limit=1`)
  if (status !== 200)
    end(`FederatedJobs are not served${namespace && ` in ${namespace}`}: HTTP ${status}: ${body.message}`, 1)
}
console.log('FederatedJobs are served')
for (let waited = 0, why; ; waited += 1) {
  why = await whyNoLeader()
  if (why === '') end('an operator leads', 0)
  if (waited >= Number(SECONDS)) end(`no operator leads: ${why}; look at its pods and their logs`, 1)
  await sleep(1000)
}
