// A trainer that does nothing but exchange: fit returns the parameters that it got. For measuring everything else.
// As a program on the seam: node noop.ts ELEMENTS
import { copyFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { writeSafetensors } from '#protocol/safetensors.ts'
import { serveTrainer, type TrainerWork } from '#worker/trainer/serve.ts'

/** The work on one F32 tensor of `elements` elements. */
export function noopWork(elements: number): TrainerWork {
  return {
    dataset: 'none',
    backend: 'none',
    async getParameters(output) {
      const data = new Uint8Array(new Float32Array(elements).fill(0.5).buffer)
      await writeFile(output, writeSafetensors([{ name: 'weight', shape: [elements], dtype: 'F32', data }]))
    },
    async fit({ tensors, output }) {
      await copyFile(tensors, output)
      return { num_examples: 1, metrics: {} }
    },
    async evaluate() {
      return { loss: 0, num_examples: 0, metrics: {} }
    },
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await serveTrainer(async () => noopWork(Number(process.argv[2] ?? '1000')))
}
