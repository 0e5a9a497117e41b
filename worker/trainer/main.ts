// The built-in trainer as a program on the seam: node main.ts SETTINGS
import { serveTrainer } from './serve.ts'
import { openSegmentAnything } from './segment-anything.ts'
import { readSettings } from './settings.ts'

await serveTrainer(() => openSegmentAnything(readSettings(process.argv[2])))
