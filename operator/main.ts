// The operator as a program: watches, reconciles, answers probes on /healthz and /readyz, stops on SIGTERM when the passes under
// way are done.
import { createServer } from 'node:http'
import { runProgram } from '#transport/process.ts'
import { readEnvironment } from './environment.ts'
import { connectKubernetes } from './kubernetes/client.ts'
import { startController } from './kubernetes/controller.ts'

await runProgram(process.env, async (signal) => {
  const { settings, namespace, kubeconfig, probePort } = readEnvironment(process.env)
  const client = connectKubernetes(kubeconfig ? { kubeconfig } : {})
  const controller = startController(client, {
    settings,
    ...(namespace ? { namespace } : {}),
    log: (line) => void process.stderr.write(`${line}\n`),
    now: () => Date.now(),
    signal,
  })
  const probes = createServer(({ url }, response) => {
    const well = url === '/healthz' || (url === '/readyz' && controller.isSynced())
    response.writeHead(well ? 200 : 503).end(well ? 'ok' : 'not ready')
  })
  probes.listen(probePort)
  await controller.done
  probes.close()
  client.close()
})
