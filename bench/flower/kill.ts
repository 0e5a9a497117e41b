// What is left of an app whose server gets SIGKILL in the third of its rounds, and is started again in the same way.
import { setTimeout as sleep } from 'node:timers/promises'
import { type App, appIn, type Stage, timesOf, trainedOf } from './apps.ts'
import { type Bout, CLIENTS } from './contestants.ts'

const ROUND = 3
/** An app that does nothing for so long has been lost. Seconds. */
const LOST = 60

/** A sentence: whether the app ended, by itself or after it was submitted again, and how often clients trained. */
export async function killInRound(open: (app: App) => Promise<Stage>, bout: Bout): Promise<string> {
  const app = appIn(bout)
  const stage = await open(app)
  try {
    const first = stage.submit().catch(() => false)
    while ((await timesOf(app)).length < ROUND) await sleep(20)
    await stage.killServer()
    await first
    const before = await trainedOf(app)
    await stage.restart()
    const isBack = await goesOn(app, before)
    const ended = isBack || (await stage.submit())
    const trained = await trainedOf(app)
    const how = isBack ? 'went on by itself' : ended ? 'ended after the same command again' : 'did not end'
    return `${how}; clients trained ${trained} times for ${CLIENTS * bout.rounds}, ${before} of them before the kill`
  } finally {
    await stage.stop()
  }
}

/** Whether clients train again although nobody has submitted anything. */
async function goesOn(app: App, before: number): Promise<boolean> {
  const until = performance.now() + LOST * 1000
  while (performance.now() < until) {
    await sleep(500)
    if ((await timesOf(app)).length > app.rounds) return true
  }
  return (await trainedOf(app)) > before + CLIENTS
}
