// Formats findings as text of 100 columns: a line each, with the remedy below it. Pure.
import type { Finding } from '../cluster/checks/finding.ts'
import { labelled } from './columns.ts'
import type { Paint, Tone } from './status.ts'

const WIDTH = 100
const WORDS: Readonly<Record<Finding['verdict'], { readonly word: string; readonly tone: Tone }>> = {
  Ok: { word: 'ok', tone: 'good' },
  Problem: { word: 'problem', tone: 'bad' },
  Unseen: { word: 'unseen', tone: 'waiting' },
}

/** All findings, then the number of problems. */
export function findingLines(findings: readonly Finding[], paint: Paint = (_, text) => text): string[] {
  const problems = findings.filter(({ verdict }) => verdict === 'Problem').length
  return [
    ...findings.flatMap(({ verdict, subject, says, remedy }) => {
      const { word, tone } = WORDS[verdict]
      const [first, ...rest] = labelled(word.padEnd(9), `${subject}: ${says}`, WIDTH)
      const todo = remedy === '' ? [] : labelled(' '.repeat(11), remedy, WIDTH)
      return [first!.replace(word, paint(tone, word)), ...rest, ...todo]
    }),
    problems === 0 ? 'no problem found' : `${problems} ${problems === 1 ? 'problem' : 'problems'}`,
  ]
}
