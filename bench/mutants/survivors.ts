import type { Mutant } from './mutant.ts'

export const SURVIVORS: readonly Mutant[] = []
