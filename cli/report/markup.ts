// HTML as values: whatever is put into a template is escaped, unless it is markup itself. So a client's name or a message of a
// trainer can never become part of the page. Pure.

/** Text that is already HTML (or SVG). Only `html` makes it. */
export interface Markup {
  readonly markup: string
}

/** What a template takes: text and numbers are escaped, markup is not, lists are joined, nothing is left out. */
export type Content = string | number | Markup | undefined | readonly Content[]

/** html`<td>${anything}</td>` */
export function html(parts: TemplateStringsArray, ...contents: readonly Content[]): Markup {
  return { markup: parts.map((part, i) => part + text(contents[i])).join('') }
}

function text(content: Content): string {
  if (content === undefined) return ''
  if (typeof content === 'object') return 'markup' in content ? content.markup : content.map(text).join('')
  return escaped(String(content))
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

function escaped(value: string): string {
  return value.replace(/[&<>"']/g, (character) => ENTITIES[character]!)
}
