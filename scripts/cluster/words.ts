// What `npm run cluster` prints at its end: commands that can be pasted.
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { kubernetesFolder } from '../kubernetes/build.ts'
import type { RunningNode } from '../kubernetes/node.ts'

export function whatToTry(node: RunningNode, job: string): readonly string[] {
  const kubectl = isOnPath('kubectl') ? 'kubectl' : join(kubernetesFolder(), 'kubectl')
  return [
    '',
    `FedSAM runs on node ${node.name}. To try it:`,
    '',
    `  export KUBECONFIG=${node.kubeconfig}`,
    `  ${kubectl} apply -f ${job}`,
    `  ${kubectl} get fj --watch`,
    `  ${kubectl} wait --for=condition=Complete fj/brain-tissue --timeout=15m`,
    '  node cli/fedsam.js status fj/brain-tissue',
    '',
    '  npm run cluster -- status',
    '  npm run cluster -- down',
  ]
}

function isOnPath(program: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}
