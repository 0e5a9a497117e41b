import { mkdtemp } from 'node:fs/promises'
import { ensurePython, FLOWER_PACKAGES } from '#scripts/python.ts'
import { watchMemory } from './flower/memory.ts'
import * as c from './flower/contestants.ts'
const python = await ensurePython(FLOWER_PACKAGES)
const w = watchMemory(process.pid, (cmd) => cmd.trim().replace(/\S*\/(\S+)/g,'$1').slice(0,60))
const mode = process.argv[2] as 'runLocal'; const mb = Number(process.argv[3]); const dir = process.argv[4] ?? '/tmp'
const m = await c[mode]({ python, megabytes: mb, rounds: 40, folder: await mkdtemp(dir + '/bgp-') })
console.log(mode, mb, 'median', [...m.seconds].slice(10).sort((a,b)=>a-b)[15]!*1000|0, 'min', Math.min(...m.seconds)*1000|0, 'server', m.server|0, 'client', m.client|0)
console.log(w.stop())
