// The program of `helm test`, in the operator's image and with its account. It checks that the API server serves FederatedJobs, and that
// an operator leads. Each check may take SECONDS, because roles and pods of a new release need a moment. A resource that does not exist
// fails at once.
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
  // For an unknown path the API server answers with plain text, not with JSON.
  const body = text.startsWith('{') ? JSON.parse(text) : { message: text.trim() }
  return { status: answer.status, body }
}

function end(text, code) {
  console.log(text)
  process.exit(code)
}

/** What is wrong, and whether time can cure it; undefined where nothing is. */
async function whyNotServed() {
  for (const namespace of (WATCHED || '').split(',')) {
    const place = namespace === '' ? '' : `namespaces/${namespace}/`
    const { status, body } = await ask(`fedsam.dev/v1alpha1/${place}federatedjobs?limit=1`)
    if (status === 200) continue
    const where = namespace === '' ? '' : ` in ${namespace}`
    // The API server takes a moment to see the roles of a new release, so a 403 may pass.
    return {
      text: `FederatedJobs are not served${where}: HTTP ${status}: ${body.message}`,
      passes: status !== 404,
    }
  }
}

async function whyNoLeader() {
  const { status, body } = await ask(
    `coordination.k8s.io/v1/namespaces/${POD_NAMESPACE}/leases/fedsam-operator`,
  )
  const no = (why) => ({
    text: `no operator leads: ${why}; read the logs of the operator's pods`,
    passes: true,
  })
  if (status !== 200) return no(body.message)
  const { holderIdentity, renewTime, leaseDurationSeconds } = body.spec
  if (!holderIdentity) return no('its lease is free')
  const age = Math.round((Date.now() - Date.parse(renewTime)) / 1000)
  if (age > leaseDurationSeconds) return no(`${holderIdentity} renewed its lease ${age} s ago`)
}

/** Asks once a second until nothing is wrong. Ends the program after SECONDS, or at once where waiting cannot help. */
async function untilRight(whatIsWrong) {
  for (let waited = 0; ; waited += 1) {
    const wrong = await whatIsWrong().catch((error) => ({
      text: `the API server at ${host}:${port} does not answer: ${error.cause?.message ?? error.message}`,
      passes: true,
    }))
    if (wrong === undefined) return
    if (!wrong.passes || waited >= Number(SECONDS)) end(wrong.text, 1)
    await sleep(1000)
  }
}

await untilRight(whyNotServed)
console.log('FederatedJobs are served')
await untilRight(whyNoLeader)
console.log('an operator leads')
