// The processor time of a child and its descendants: which processes belong to it, and how much time they used. Pure: callers
// pass the text of /proc/PID/stat. Guarantees that the sum never decreases, even where processes end and their parent does not
// wait for them.

/** One process as /proc/PID/stat describes it. Times are in the system's ticks. */
export interface ProcessTimes {
  readonly pid: number
  readonly parent: number
  readonly group: number
  readonly session: number
  /** Ticks after the machine's start at which it began: with the pid it names a process uniquely. */
  readonly began: number
  /** Ticks of its own threads, including those that ended. */
  readonly own: number
  /** Ticks of ended children that it waited for. */
  readonly waited: number
}

/** Ticks per second. Linux always reports 100 to programs, independent of the kernel's timer. */
export const TICKS_PER_SECOND = 100

/** Fields of the line after the process's name; the name may contain spaces, brackets and line feeds. */
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

/** A unique name of a process: the system reuses pids. */
export const keyOf = ({ pid, began }: ProcessTimes): string => `${pid}:${began}`

/**
 * The processes of `all` that belong to `root`: itself, its session and group, those that `isKnown` accepts (seen before, or
 * marked), and the descendants of these. So a process that left its session and lost its parent is found because it was seen
 * before.
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

/** Sums the processor time of a family over its measurements. */
export interface ProcessorAccount {
  /** Adds a measurement of the family; returns the ticks used so far. A new process counts with all of its time. */
  add(family: readonly ProcessTimes[]): number
}

/**
 * A sum that only grows: each process adds its time since the measurement before, and an ended process subtracts nothing. The
 * time of an ended child counts twice when its parent waits for it: its end is a sign of life too.
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
