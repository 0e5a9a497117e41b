#!/usr/bin/env node
// The executable, in JavaScript so that a start with warm caches loads neither Node's TypeScript stripper nor its memory: what Node
// compiled of the command's files is kept in the user's cache folder. Programs that the command starts inherit it.
import { enableCompileCache } from 'node:module'
import { homedir } from 'node:os'
import { join } from 'node:path'

const { env } = process
try {
  env.NODE_COMPILE_CACHE ||= join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'fedsam', 'compiled')
  enableCompileCache(env.NODE_COMPILE_CACHE)
} catch {
  // A user without a home: nothing is kept.
}
const { start } = await import('./main.ts')
await start()
