// Largest resident sizes of a process and all that it started, by what each is for, as the Linux kernel keeps them (VmHWM).
// Read every so often while they live: what a process reached in its last moments may be missed.
import { readdirSync, readFileSync } from 'node:fs'

const PAUSE_MS = 50

export interface MemoryWatch {
  /** The megabytes of each process, by role. */
  stop(): Readonly<Record<string, readonly number[]>>
}

export const sumOf = (megabytes: readonly number[] = []): number =>
  megabytes.reduce((sum, one) => sum + one, 0)

/** `roleOf` says what a command line is for; null leaves it out. */
export function watchMemory(root: number, roleOf: (command: string) => string | null): MemoryWatch {
  const peaks = new Map<number, { role: string; bytes: number }>()
  const look = (): void => {
    const family = new Set([root])
    for (const { pid, parent } of processes()) {
      if (!family.has(parent) && pid !== root) continue
      family.add(pid)
      const role = roleOf(readText(`/proc/${pid}/cmdline`).replaceAll('\0', ' '))
      const kilobytes = /^VmHWM:\s+(\d+)/m.exec(readText(`/proc/${pid}/status`))?.[1]
      if (role !== null && kilobytes !== undefined) peaks.set(pid, { role, bytes: Number(kilobytes) * 1024 })
    }
  }
  const timer = setInterval(look, PAUSE_MS)
  return {
    stop() {
      clearInterval(timer)
      const found: Record<string, number[]> = {}
      for (const { role, bytes } of peaks.values()) found[role] = [...(found[role] ?? []), bytes / 1e6]
      return found
    },
  }
}

/** Parents before their children. */
function processes(): { pid: number; parent: number }[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => {
      const parent = /^PPid:\s+(\d+)/m.exec(readText(`/proc/${name}/status`))?.[1] ?? '0'
      return { pid: Number(name), parent: Number(parent) }
    })
    .sort((a, b) => a.pid - b.pid)
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return '' // it has ended
  }
}
