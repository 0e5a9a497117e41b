// Strangers at a nats-server: they connect with names of 2,000 characters and passwords that are no tokens, and are refused.
import { readFile } from 'node:fs/promises'
import { openRawNats } from './raw-nats.ts'

/** Connects `count` times, `atOnce` at a time; resolves to the number of those that were admitted. */
export async function floodOfStrangers(port: number, count: number, atOnce = 50): Promise<number> {
  let [next, admitted] = [0, 0]
  const one = async (): Promise<void> => {
    while (next < count) {
      next += 1
      const user = next % 2 === 0 ? `${next}-`.padEnd(2000, 'x') : `run-1/client/c${next}`
      const raw = await openRawNats({ tcp: port }, user, 'y'.repeat(1000))
      if (raw.first.length === 0) admitted += 1
      raw.close()
    }
  }
  await Promise.all(Array.from({ length: atOnce }, one))
  return admitted
}

/** Bytes of memory that a process holds now. */
export async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)![1]) * 1024
}
