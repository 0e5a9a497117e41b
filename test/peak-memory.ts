// How much memory a process, or a piece of work in a process of its own, takes at its peak. The peak of a process never falls, so
// work that is measured in a process with a past would hide behind it.
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

/**
 * Bytes of memory that this process held at its peak. Linux counts the parent's peak as the child's maxRSS (getrusage(2)), so
 * VmHWM is read where it exists (proc_pid_status(5)).
 */
export function peakRss(): number {
  if (process.platform !== 'linux') return process.resourceUsage().maxRSS * 1024
  const [, kib] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? []
  return Number(kib) * 1024
}

/**
 * Bytes that a fresh process holds at its peak during `work`, above its peak before. Both are statements of one module; imports of our
 * files begin with #. Rejects where the work throws.
 */
export async function peakBytes(before: string, work: string): Promise<number> {
  const program = `import { peakRss } from '#test/peak-memory.ts'
${before}
const idle = peakRss()
${work}
console.log(peakRss() - idle)`
  const args = ['--input-type=module', '-e', program]
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: ROOT })
  return Number(stdout.trim().split('\n').at(-1))
}
