// The built-in trainer as a program on the seam: node main.ts SETTINGS

import { openSegmentAnything } from './segment-anything.ts'
import { serveTrainer } from './serve.ts'
import { readSettings } from './settings.ts'

await serveTrainer((report) => openSegmentAnything(readSettings(process.argv[2]), report))
