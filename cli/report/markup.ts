// HTML as values. A template escapes every value except markup, so a client's name or a trainer's message can never become
// markup of the page. Pure.

/** Text that is already HTML (or SVG). Only `html` makes it. */
export interface Markup {
  readonly markup: string
}

/** A value in a template: text and numbers are escaped, markup is not, lists are joined, undefined is nothing. */
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
