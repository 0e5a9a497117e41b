// Loads native TensorFlow and computes one sum: an image's build runs it, so that the compile cache has TensorFlow.js and an image
// whose libraries do not fit is never finished.
import { loadBackend } from './backend.ts'

const { tf, reason } = await loadBackend({ prefer: 'TensorFlow' })
const [three] = tf.sum(tf.tensor1d([1, 2])).dataSync()
if (three !== 3) throw new Error(`1 + 2 is ${three} here`)
console.log(reason)
