// The table of variables in docs/programs.md, from protocol/environment.ts: what is between its two marks.
import { PROGRAMS } from '#protocol/environment.ts'

const BEGIN = '<!-- Generated from protocol/environment.ts by npm run generate. Do not edit. -->\n'
const END = '<!-- End of the generated part. -->\n'

/** The page with a table of every variable of every program. Throws where the page has not both marks. */
export function emitEnvironment(page: string): string {
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)]
  if (begin < 0 || end < begin) throw new Error(`docs/programs.md needs the lines ${BEGIN} and ${END}`)
  return `${page.slice(0, begin)}${BEGIN}${table()}${page.slice(end)}`
}

function table(): string {
  const rows = PROGRAMS.flatMap(([program, variables]) =>
    Object.values(variables).map(
      ({ name, says }, at) => `| ${at === 0 ? program : ''} | \`${name}\` | ${says} |`,
    ),
  )
  return ['| program | variable | what |', '| --- | --- | --- |', ...rows, ''].join('\n')
}
