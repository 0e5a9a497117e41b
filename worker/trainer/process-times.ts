// Processor time of everything that a trainer started: which processes belong to it, and how much they used. Pure: it reads the
// text of /proc/PID/stat and leaves finding that text to its callers. It guarantees that the sum never goes backwards, also where
// processes end, and where their parent does not wait for them.

/** One process as /proc/PID/stat describes it. Times are in the system's ticks. */
export interface ProcessTimes {
  readonly pid: number
  readonly parent: number
  readonly group: number
  readonly session: number
  /** Ticks after the machine's start at which it began: with the pid it names a process uniquely. */
  readonly began: number
  /** Of its own threads, those that ended included. */
  readonly own: number
  /** Of children that ended and that it waited for. */
  readonly waited: number
}

/** Ticks of a second. Linux reports a hundred to programs, whatever its kernel counts. */
export const TICKS_PER_SECOND = 100

/** Fields of the line after the process's name, which may hold spaces, brackets and line feeds. */
const FIELD = {
  parent: 1,
  group: 2,
  session: 3,
  user: 11,
  system: 12,
  waitedUser: 13,
  waitedSystem: 14,
  began: 19,
} as const

/** Reads `/proc/PID/stat`, or the same without the name in brackets; undefined for other text. */
export function readStat(text: string): ProcessTimes | undefined {
  const nameEnd = text.lastIndexOf(')')
  const pid = Number.parseInt(text, 10)
  const rest = nameEnd < 0 ? text.slice(text.indexOf(' ') + 1) : text.slice(nameEnd + 2)
  const fields = rest.trim().split(/\s+/)
  const at = (name: keyof typeof FIELD): number => Number(fields[FIELD[name]])
  const found = {
    pid,
    parent: at('parent'),
    group: at('group'),
    session: at('session'),
    began: at('began'),
    own: at('user') + at('system'),
    waited: at('waitedUser') + at('waitedSystem'),
  }
  return Object.values(found).every(Number.isSafeInteger) ? found : undefined
}

/** Names a process uniquely: pids are used again. */
export const keyOf = ({ pid, began }: ProcessTimes): string => `${pid}:${began}`

/**
 * Those of `all` that belong to the process `root`: itself, its session and group, those that `isKnown` says (seen before, or marked),
 * and the descendants of all these. A process that left its session and lost its parent is found by having been seen before.
 */
export function familyOf(
  all: readonly ProcessTimes[],
  root: number,
  isKnown: (one: ProcessTimes) => boolean = () => false,
): ProcessTimes[] {
  const children = Map.groupBy(all, ({ parent }) => parent)
  const family = new Map<number, ProcessTimes>()
  const open = all.filter(
    (one) => one.pid === root || one.session === root || one.group === root || isKnown(one),
  )
  for (let one = open.pop(); one !== undefined; one = open.pop()) {
    if (family.has(one.pid)) continue
    family.set(one.pid, one)
    open.push(...(children.get(one.pid) ?? []))
  }
  return [...family.values()]
}

/** Adds up what processes used from one look to the next. */
export interface ProcessorAccount {
  /** Takes a look at the family; returns the ticks that it used so far. A process that is new counts with all of its time. */
  add(family: readonly ProcessTimes[]): number
}

/**
 * An account that only grows: each process adds what it used since the look before, and one that is gone takes nothing away.
 * The time of a child that ended counts once more when its parent waits for it: its end is a sign of life, too.
 */
export function processorAccount(): ProcessorAccount {
  let before = new Map<string, ProcessTimes>()
  let used = 0
  return {
    add(family) {
      for (const one of family) {
        const { own = 0, waited = 0 } = before.get(keyOf(one)) ?? {}
        used += Math.max(0, one.own - own) + Math.max(0, one.waited - waited)
      }
      before = new Map(family.map((one) => [keyOf(one), one]))
      return used
    },
  }
}
