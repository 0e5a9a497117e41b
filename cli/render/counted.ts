// A number with its noun.

/** "1 round", "3 rounds". */
export function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}
