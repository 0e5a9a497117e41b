// Any bytes as a site's file: they are read, or rejected with InvalidJob, within the bounds of test/fuzz.ts.
import fc from 'fast-check'
import { SITE_FILE_SCHEMA } from '#site/file/schema.ts'
import { fuzz } from '#test/fuzz.ts'
import { yamlFile } from '#test/yaml-documents.ts'
import { readSite } from './load.ts'

const GOOD = {
  key: 'k',
  folder: 'f',
  federations: [
    {
      name: 'a',
      trust: ['0'.repeat(64)],
      bus: 'wss://h/b',
      store: 'https://h',
      jobs: [{ job: 'a/b', dataset: 'd' }],
    },
  ],
  datasets: { d: { path: '/d' } },
  trainers: { t: { command: ['t'] } },
}
const fields = Object.keys(SITE_FILE_SCHEMA.properties!)
/** A good file in which one value, at any depth, is replaced. */
const spoilt = fc.tuple(fc.nat(40), fc.jsonValue({ maxDepth: 3 })).map(([which, value]) => {
  let at = 0
  return JSON.stringify(GOOD, (_, old) => (at++ === which ? value : old))
})
const shaped = fc.dictionary(fc.constantFrom(...fields, 'toString', 'constructor'), fc.jsonValue())
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

fuzz("a site's file", {
  input: fc.oneof(
    spoilt.map(bytes),
    shaped.map((value) => bytes(JSON.stringify(value))),
    yamlFile('key: k\nfolder: f\n').map(bytes),
    fc.uint8Array({ maxLength: 200 }),
  ),
  examples: ['[', '{a: ', 'jobs: [', '- '].map((text) => bytes(text.repeat(20_000))),
  read: (input) => {
    const { lineOf } = readSite('site.yaml', input)
    lineOf(['federations', 0, 'jobs', 0, 'job'])
  },
})
