// Lines that break: connections that are carried to another port until they are cut, or go silent as behind a firewall that forgot them.
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'

/** The bytes, in both directions together, after which a connection is cut; undefined: never. Connections count from 0. */
export type CutPlan = (connection: number) => number | undefined

/** The connections that a fixture carries. */
export interface Lines {
  /** How many there were. */
  count(): number
  /** How many are open. */
  open(): number
  /** How many the plan has cut. */
  planned(): number
  /** Ends all that are open, without a goodbye; returns how many there were. */
  cut(): number
  /** No byte passes on those that open from now on. */
  silenceNext(): void
  /** No byte passes any more on those that are open, and none of their ends hears of it. Later ones work. */
  silence(): void
  /** Carries the bytes between both ends. */
  carry(near: Duplex, far: Duplex): void
}

/** `cutAfterSeconds`: how long a connection lives; absent: until somebody ends it. */
export function createLines(cutAfter: CutPlan = () => undefined, cutAfterSeconds?: number): Lines {
  const open = new Set<readonly [Duplex, Duplex]>()
  let count = 0
  let planned = 0
  let isSilent = false
  const cut = (): number => {
    const ended = [...open]
    for (const end of ended.flat()) end.destroy()
    return ended.length
  }
  return {
    count: () => count,
    open: () => open.size,
    planned: () => planned,
    cut,
    silenceNext() {
      isSilent = true
    },
    silence() {
      for (const [near, far] of open) {
        near.unpipe(far).pause().removeAllListeners('data')
        far.unpipe(near).pause().removeAllListeners('data')
      }
    },
    carry(near, far) {
      const most = cutAfter(count++) ?? Number.POSITIVE_INFINITY
      const pair = [near, far] as const
      open.add(pair)
      let passed = 0
      const cutNow = (): void => {
        planned += 1
        for (const one of pair) one.destroy()
      }
      const timer = cutAfterSeconds === undefined ? undefined : setTimeout(cutNow, 1000 * cutAfterSeconds)
      for (const end of pair) {
        end.on('data', (chunk: Buffer) => {
          passed += chunk.length
          if (passed <= most || end.destroyed) return
          cutNow()
        })
        end.on('error', () => {})
        end.on('close', () => {
          open.delete(pair)
          clearTimeout(timer)
          for (const one of pair) one.destroy()
        })
      }
      if (isSilent) return
      near.pipe(far)
      far.pipe(near)
    },
  }
}

export interface Relay extends Omit<Lines, 'carry'> {
  readonly port: number
  close(): Promise<void>
}

/** Carries each connection to a port of this machine. */
export async function startRelay(to: number, cutAfter?: CutPlan): Promise<Relay> {
  const lines = createLines(cutAfter)
  const server = createServer((near: Socket) => lines.carry(near, connect(to, '127.0.0.1')))
  return { ...lines, ...(await listening(server, lines)) }
}

/** The port of a server of this machine, and its end. */
export async function listening(server: Server, lines: Lines, address = '127.0.0.1') {
  server.listen(0, address)
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      lines.cut()
      server.close()
      await once(server, 'close')
    },
  }
}
