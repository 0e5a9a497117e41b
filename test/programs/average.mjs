// A small strategy's program in plain Node, for tests: three exchanges, in each of which every client gets a number and replies with one.
// The next number is their mean. The result is a model of one tensor, a metric and a file. Its first argument chooses a flaw.
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'

const [flaw = 'none', notes = ''] = process.argv.slice(2)
const EXCHANGES = 3
/** The life of the program, by the notes that the lives before left outside of the working folder. */
const life = notes !== '' && existsSync(notes) ? readFileSync(notes, 'utf8').split('\n').length : 1
if (notes !== '')
  appendFileSync(
    notes,
    `life ${life}, ${existsSync('leftover') ? 'dirty' : 'empty'}, process ${process.pid}\n`,
  )
writeFileSync('leftover', 'of this life')

// It goes on without its coordinator: the end of its input does not end it.
if (flaw === 'lingers' && life === 1) {
  const path = join(process.cwd(), 'leftover')
  setInterval(() => existsSync(dirname(path)) && writeFileSync(path, 'of an earlier life'), 5)
}

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
async function read() {
  const { value, done } = await lines.next()
  if (done && flaw === 'lingers') await new Promise(() => {})
  return JSON.parse(value)
}
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`)
let id = 0
async function call(fields) {
  id += 1
  say({ id, ...fields })
  const answer = await read()
  if (answer.type === 'error') throw new Error(answer.message)
  return answer
}
const { seed, scratch } = await read()
say({ type: 'ready', compares: flaw.startsWith('rounds') })
process.stdout.write(`a line of its log, with the seed ${seed.length}\n`)

let value = 1
for (let exchange = 1; exchange <= EXCHANGES; exchange += 1) {
  say({ type: 'round', round: exchange, of: EXCHANGES })
  const { clients } = await call({ call: 'clients' })
  if (flaw === 'raises' && exchange === 2) throw new Error('the program does not like this number')
  if (flaw === 'dies' && exchange === 2 && life <= 2) process.kill(process.pid, 'SIGKILL')
  if (flaw === 'dies-late' && exchange === 3 && life === 2) process.kill(process.pid, 'SIGKILL')
  if (flaw === 'always-dies' && exchange === 2) process.kill(process.pid, 'SIGKILL')
  const content = join(scratch, `number-${exchange}`)
  // rounds: as another processor might; rounds-far: by more than rounding.
  const noise = { random: Math.random(), rounds: 1e-9 * life, 'rounds-far': life }[flaw] ?? 0
  writeFileSync(content, String(value + noise))
  if (['random', 'asks-else', 'rounds', 'rounds-far'].includes(flaw) && exchange === 3 && life === 1)
    process.kill(process.pid, 'SIGKILL')
  const kind = flaw === 'asks-else' && life > 1 && exchange === 2 ? 'evaluate' : 'train'
  const one = clients.map(({ name }) => ({ client: name, kind, group: String(exchange), content }))
  const messages = flaw === 'twice' ? [...one, ...one] : one
  if (flaw === 'twice') {
    // Asking nobody is no exchange.
    const nobody = join(scratch, 'nobody.json')
    writeFileSync(nobody, JSON.stringify({ messages: [] }))
    const empty = await call({ call: 'exchange', messages: nobody, timeout: null })
    const count = JSON.parse(readFileSync(empty.replies, 'utf8')).replies.length
    if (empty.exchange !== exchange - 1 || count !== 0) throw new Error(JSON.stringify(empty))
  }
  const list = join(scratch, `messages-${exchange}.json`)
  writeFileSync(list, JSON.stringify({ messages }))
  let answer = await call({ call: 'exchange', messages: list, timeout: null })
  if (answer.type === 'differs') {
    const { contents } = JSON.parse(readFileSync(answer.contents, 'utf8'))
    const wasNear = contents.every(({ content: file }) => Math.abs(readFileSync(file, 'utf8') - value) < 1e-6)
    const difference = wasNear ? null : { message: 1, text: 'it is another number' }
    const recorded = wasNear
      ? messages.map((one, at) => ({ ...one, content: contents[at].content }))
      : messages
    writeFileSync(list, JSON.stringify({ messages: recorded }))
    answer = await call({ call: 'exchange', messages: list, timeout: null, difference })
  }
  const { replies } = answer
  const numbers = JSON.parse(readFileSync(replies, 'utf8')).replies.map(({ content: file, error }) =>
    error === undefined ? Number(readFileSync(file, 'utf8')) : 0,
  )
  value = numbers.reduce((sum, number) => sum + number, 0) / numbers.length
}

if (flaw === 'other-result') value += 1e-5

const data = Buffer.alloc(4)
data.writeFloatLE(value)
const header = Buffer.from(JSON.stringify({ mean: { dtype: 'F32', shape: [1], data_offsets: [0, 4] } }))
const length = Buffer.alloc(8)
length.writeBigUInt64LE(BigInt(header.length))
writeFileSync('model.safetensors', Buffer.concat([length, header, data]))
writeFileSync('history.txt', `${value}\n`)
await call({ call: 'result', model: 'model.safetensors', metrics: { mean: value }, files: ['history.txt'] })
process.exit(0)
