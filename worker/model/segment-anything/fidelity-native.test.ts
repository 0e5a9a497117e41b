// Segment Anything on the TensorFlow backend against the reference's golden tensors.
import { testFidelity } from '#test/fidelity/suite.ts'

testFidelity('TensorFlow', ['tiny-a', 'tiny-b'])
