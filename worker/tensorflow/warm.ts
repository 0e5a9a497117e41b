// Loads native TensorFlow and computes one sum. The build of an image runs it, for two reasons: the compile cache then has
// TensorFlow.js, and the build fails if the libraries do not fit the image.
import { loadBackend } from './backend.ts'

const { tf, reason } = await loadBackend({ prefer: 'TensorFlow' })
const [three] = tf.sum(tf.tensor1d([1, 2])).dataSync()
if (three !== 3) throw new Error(`1 + 2 is ${three} here`)
console.log(reason)
