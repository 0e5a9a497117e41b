// Segment Anything on the CPU backend against the reference's golden tensors.
import { testFidelity } from '#test/fidelity/suite.ts'

testFidelity('CPU', ['tiny-a'])
