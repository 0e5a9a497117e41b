// The federated golden case at the model's level: three clients, three rounds, FedAvg in 64-bit floats. It shows that
// exchanging only what trains gives the same global model as exchanging the whole decoder.
import { fromFloat32, toFloat32 } from '#protocol/half.ts'
import { exchangedTensors } from '#protocol/segment-anything.ts'
import { readCheckpoint } from '#worker/model/segment-anything/checkpoint.ts'
import { createSegmentAnything, type SegmentAnything } from '#worker/model/segment-anything/model.ts'
import { freshOptimizerState } from '#worker/model/segment-anything/optimizer.ts'
import type { TensorFlow } from '#worker/tensorflow/backend.ts'
import { type Golden, goldenFolder, largestDifference, readGolden } from './golden.ts'
import { isUndetermined, type Measurement, measurementOf } from './measure.ts'

const SIZES = [4, 7, 2]
const ROUNDS = 3
const BATCH = 2
const LEARNING_RATE = 1e-4

interface ClientData {
  readonly samples: number
  readonly embeddings: Float32Array
  readonly boxes: Float32Array
  readonly truth: Float32Array
}

/** Batch losses and global parameters of every round. */
export async function measureFederation(tf: TensorFlow): Promise<Measurement[]> {
  const { config, tensors } = await readCheckpoint(goldenFolder('tiny-a'))
  const model = createSegmentAnything(tf, config, tensors)
  const expected = readGolden('federated-tiny-a', 'expected')
  const names = exchangedTensors(['MaskDecoder'], [...tensors.keys()])
  const clients = await readClients(model, readGolden('federated-tiny-a', 'inputs'))
  const measured: Measurement[] = []
  let global = model.getTensors(names)
  for (let round = 1; round <= ROUNDS; round++) {
    const sums = new Map(names.map((name, i) => [name, new Float64Array(global[i]!.data.length / 4)]))
    for (const [index, client] of clients.entries()) {
      model.setTensors(global)
      const losses = await train(model, client, names)
      const error = largestDifference(losses, expected.values(`batch_losses/round${round}/client${index}`))
      measured.push(measurementOf('federated losses', `round ${round}, client ${index}`, error))
      for (const tensor of model.getTensors(names)) {
        const sum = sums.get(tensor.name)!
        toFloat32(tensor).forEach((value, i) => {
          sum[i]! += value * client.samples
        })
      }
    }
    const total = SIZES.reduce((sum, size) => sum + size)
    global = global.map((tensor) => {
      const mean = Float32Array.from(sums.get(tensor.name)!, (sum) => sum / total)
      return { ...tensor, data: fromFloat32(mean, 'F32') }
    })
    model.setTensors(global)
    measured.push(...measureGlobal(model, expected, round))
  }
  model.dispose()
  return measured
}

async function readClients(model: SegmentAnything, inputs: Golden): Promise<ClientData[]> {
  const clients: ClientData[] = []
  for (const [index, samples] of SIZES.entries())
    clients.push({
      samples,
      embeddings: await model.encodeImages(inputs.values(`client${index}/pixel_values`), samples),
      boxes: inputs.values(`client${index}/input_boxes`),
      truth: inputs.values(`client${index}/ground_truth_masks`),
    })
  return clients
}

/** One epoch in stored order with a fresh Adam; the loss of each batch. */
async function train(
  model: SegmentAnything,
  client: ClientData,
  names: readonly string[],
): Promise<number[]> {
  const optimizer = { type: 'Adam' as const, learningRate: LEARNING_RATE }
  const training = { names, loss: 'DiceCE' as const, optimizer, state: freshOptimizerState() }
  const losses: number[] = []
  for (let from = 0; from < client.samples; from += BATCH) {
    const images = Math.min(BATCH, client.samples - from)
    const cut = (values: Float32Array) => {
      const size = values.length / client.samples
      return values.subarray(from * size, (from + images) * size)
    }
    const { embeddings, boxes, truth } = client
    const batch = { images, embeddings: cut(embeddings), boxes: cut(boxes), truth: cut(truth) }
    losses.push(await model.trainStep(batch, training))
  }
  return losses
}

function measureGlobal(model: SegmentAnything, expected: Golden, round: number): Measurement[] {
  const prefix = `global/round${round}/`
  const names = expected.names
    .filter((name) => name.startsWith(prefix))
    .map((name) => name.slice(prefix.length))
  const steps = 4 * round
  return model.getTensors(names).map((tensor) => {
    const error = largestDifference(toFloat32(tensor), expected.values(prefix + tensor.name))
    if (isUndetermined(tensor.name))
      return {
        group: 'parameters without a gradient',
        name: tensor.name,
        error,
        allowed: 2 * steps * LEARNING_RATE,
      }
    return measurementOf('federated parameters', `round ${round}, ${tensor.name}`, error)
  })
}
