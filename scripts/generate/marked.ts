// Parts of a page that are generated: what is between a mark that names its source and the mark of its end.

const END = '<!-- End of the generated part. -->\n'

/** The page with `content` between the marks of this source. Throws where the page has not both marks. */
export function fillMarked(page: string, source: string, content: string): string {
  const mark = `<!-- Generated from ${source} by npm run generate. Do not edit. -->\n`
  const begin = page.indexOf(mark)
  const end = page.indexOf(END, begin)
  if (begin < 0 || end < begin) throw new Error(`the page needs the lines ${mark} and ${END}`)
  return `${page.slice(0, begin)}${mark}${content}${page.slice(end)}`
}
