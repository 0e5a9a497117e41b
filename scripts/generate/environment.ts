// The table of variables in docs/programs.md, from protocol/environment.ts.
import { PROGRAMS } from '#protocol/environment.ts'
import { fillMarked } from './marked.ts'

/** The page with a table of every variable of every program. */
export function emitEnvironment(page: string): string {
  return fillMarked(page, 'protocol/environment.ts', table())
}

function table(): string {
  const rows = PROGRAMS.flatMap(([program, variables]) =>
    Object.values(variables).map(
      ({ name, says }, at) => `| ${at === 0 ? program : ''} | \`${name}\` | ${says} |`,
    ),
  )
  return ['| program | variable | what |', '| --- | --- | --- |', ...rows, ''].join('\n')
}
