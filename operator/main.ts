// The operator as a program: reads its environment, watches, answers probes on /healthz and /readyz, stops on SIGTERM when the
// passes under way are done.
import { createServer } from 'node:http'
import { requireVariables } from '#transport/environment.ts'
import { runProgram } from '#transport/process.ts'
import { connectKubernetes } from './kubernetes/client.ts'
import { startController } from './kubernetes/controller.ts'

await runProgram(process.env, async (signal) => {
  const names = ['FEDSAM_IMAGE_COORDINATOR', 'FEDSAM_IMAGE_WORKER', 'FEDSAM_IMAGE_WORKER_GPU'] as const
  const images = requireVariables(process.env, names)
  const { FEDSAM_NAMESPACE: namespace, KUBECONFIG: kubeconfig, FEDSAM_PROBE_PORT: port } = process.env
  const client = connectKubernetes(kubeconfig ? { kubeconfig } : {})
  const controller = startController(client, {
    settings: {
      images: {
        coordinator: images.FEDSAM_IMAGE_COORDINATOR,
        worker: images.FEDSAM_IMAGE_WORKER,
        workerGpu: images.FEDSAM_IMAGE_WORKER_GPU,
      },
      pullPolicy: 'IfNotPresent',
    },
    ...(namespace ? { namespace } : {}),
    log: (line) => void process.stderr.write(`${line}\n`),
    now: () => Date.now(),
    signal,
  })
  const probes = createServer(({ url }, response) => {
    const well = url === '/healthz' || (url === '/readyz' && controller.isSynced())
    response.writeHead(well ? 200 : 503).end(well ? 'ok' : 'not ready')
  })
  probes.listen(Number(port ?? 8081))
  await controller.done
  probes.close()
  client.close()
})
