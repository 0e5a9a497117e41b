// A tanh network with one hidden layer in plain typed arrays: the local work of the golden federation (test/golden/flower).
// Plain SGD in stored order, mean softmax cross entropy, float64 throughout: a reference for the rounds, not for speed.

/** Row-major: w1 [inputs, hidden], b1 [hidden], w2 [hidden, classes], b2 [classes]. */
export interface Parameters {
  readonly w1: Float64Array
  readonly b1: Float64Array
  readonly w2: Float64Array
  readonly b2: Float64Array
}

/** x: samples × inputs, row-major. y: the class of each sample. */
export interface Dataset {
  readonly x: Float64Array
  readonly y: Int32Array
}

export interface LocalWork {
  readonly epochs: number
  readonly batch: number
  readonly learningRate: number
}

/** The parameters after local training; the given ones stay as they are. */
export function train(
  start: Parameters,
  data: Dataset,
  { epochs, batch, learningRate }: LocalWork,
): Parameters {
  const parameters = copyOf(start)
  for (let epoch = 0; epoch < epochs; epoch++) {
    for (let from = 0; from < data.y.length; from += batch) {
      const gradient = gradientOf(parameters, data, [from, Math.min(from + batch, data.y.length)])
      for (const name of ['w1', 'b1', 'w2', 'b2'] as const) {
        const values = parameters[name]
        for (let i = 0; i < values.length; i++) values[i] = values[i]! - learningRate * gradient[name][i]!
      }
    }
  }
  return parameters
}

/** Mean cross entropy and the share of samples whose largest output is their class. */
export function evaluate(parameters: Parameters, { x, y }: Dataset): { loss: number; accuracy: number } {
  const inputs = x.length / y.length
  let loss = 0
  let right = 0
  for (const [sample, label] of y.entries()) {
    const { probabilities } = forward(parameters, x.subarray(sample * inputs, (sample + 1) * inputs))
    loss -= Math.log(probabilities[label]!)
    if (probabilities.indexOf(Math.max(...probabilities)) === label) right += 1
  }
  return { loss: loss / y.length, accuracy: right / y.length }
}

function copyOf({ w1, b1, w2, b2 }: Parameters): Parameters {
  return { w1: w1.slice(), b1: b1.slice(), w2: w2.slice(), b2: b2.slice() }
}

/** Gradient of the mean loss over samples [from, to). */
function gradientOf(
  parameters: Parameters,
  { x, y }: Dataset,
  [from, to]: readonly [number, number],
): Parameters {
  const gradient: Parameters = {
    w1: new Float64Array(parameters.w1.length),
    b1: new Float64Array(parameters.b1.length),
    w2: new Float64Array(parameters.w2.length),
    b2: new Float64Array(parameters.b2.length),
  }
  const inputs = x.length / y.length
  const classes = parameters.b2.length
  for (let sample = from; sample < to; sample++) {
    const input = x.subarray(sample * inputs, (sample + 1) * inputs)
    const { hidden, probabilities } = forward(parameters, input)
    probabilities[y[sample]!]! -= 1
    const outputError = probabilities.map((value) => value / (to - from))
    const hiddenError = hidden.map((activation, h) => {
      let sum = 0
      for (let c = 0; c < classes; c++) sum += parameters.w2[h * classes + c]! * outputError[c]!
      return sum * (1 - activation * activation)
    })
    addOuter(gradient.w1, input, hiddenError)
    addOuter(gradient.w2, hidden, outputError)
    addTo(gradient.b1, hiddenError)
    addTo(gradient.b2, outputError)
  }
  return gradient
}

function forward(
  { w1, b1, w2, b2 }: Parameters,
  input: Float64Array,
): Record<'hidden' | 'probabilities', Float64Array> {
  const hidden = layer(input, w1, b1).map(Math.tanh)
  const outputs = layer(hidden, w2, b2)
  const largest = Math.max(...outputs)
  const exponentials = outputs.map((output) => Math.exp(output - largest))
  const sum = exponentials.reduce((total, value) => total + value, 0)
  return { hidden, probabilities: exponentials.map((value) => value / sum) }
}

function layer(input: Float64Array, weights: Float64Array, bias: Float64Array): Float64Array {
  const out = bias.slice()
  for (let i = 0; i < input.length; i++) {
    const value = input[i]!
    if (value === 0) continue
    for (let j = 0; j < out.length; j++) out[j] = out[j]! + value * weights[i * out.length + j]!
  }
  return out
}

function addOuter(sum: Float64Array, rows: Float64Array, columns: Float64Array): void {
  for (let i = 0; i < rows.length; i++) {
    const value = rows[i]!
    if (value === 0) continue
    for (let j = 0; j < columns.length; j++)
      sum[i * columns.length + j] = sum[i * columns.length + j]! + value * columns[j]!
  }
}

function addTo(sum: Float64Array, values: Float64Array): void {
  for (let i = 0; i < sum.length; i++) sum[i] = sum[i]! + values[i]!
}
