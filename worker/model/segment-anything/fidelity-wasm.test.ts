// Segment Anything on the Wasm backend against the reference's golden tensors.
import { testFidelity } from '#test/fidelity/suite.ts'

testFidelity('Wasm', ['tiny-a', 'tiny-b'])
