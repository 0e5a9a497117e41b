// Strangers at a nats-server: they connect with names of 2,000 characters and passwords that are no tokens, and are refused. Where the
// server admits everybody, they send messages to a coordinator.
import { readFile } from 'node:fs/promises'
import { clientInbox, clientSubject } from '#protocol/messages.ts'
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

/**
 * Connects `count` times to a server that admits everybody, and sends one message each to the coordinator with this subject prefix:
 * half of them for clients with names of 1,900 characters (the longest that a line of the server takes twice), half for client a.
 * Resolves when the server has them all.
 */
export async function floodOfMessages(
  port: number,
  prefix: string,
  count: number,
  atOnce = 20,
): Promise<void> {
  let next = 0
  const body = 'z'.repeat(1000)
  const one = async (): Promise<void> => {
    while (next < count) {
      next += 1
      const client = next % 2 === 0 ? `${next}-`.padEnd(1900, 'x') : 'a'
      const raw = await openRawNats({ tcp: port }, '', '')
      const reply = `${clientInbox(prefix, client)}.${next}`
      await raw.send(`PUB ${clientSubject(prefix, client)} ${reply} ${body.length}`, body)
      raw.close()
    }
  }
  await Promise.all(Array.from({ length: atOnce }, one))
}

/** Bytes of memory that a process holds now. */
export async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)![1]) * 1024
}
