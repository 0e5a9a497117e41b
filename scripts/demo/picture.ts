// The README's pictures: after `npm run demo`, `node scripts/demo/picture.ts` renders the demo's report in Chromium and writes
// docs/demo-light.webp and docs/demo-dark.webp. The browser renders the report's own HTML. Extra rules hide all but two charts and
// one row of images; they draw nothing. FEDSAM_BROWSER names another Chromium.
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import sharp from 'sharp'

/** The parts of the report that the README shows. The whole report is several screens long. */
const SHOWN = `
header,section,.charts figure:nth-child(n+3),h3{display:none}
section:has(.charts),section:has(.row){display:block}
.row:not(:nth-child(5 of .row)){display:none}
body{padding:8px 20px}
h2{margin-top:10px;padding-top:0;border-top:0}
p{max-width:none}
`
/** The browser's window, in CSS pixels. It is taller than what is shown; the empty rest is cut off. */
const WINDOW = '960,2000'
/** The margin below the last line, in device pixels. */
const MARGIN = 24
/** Device pixels per CSS pixel. GitHub shows the picture about 830 CSS pixels wide, and text must be sharp on dense screens. */
const SCALE = 1.5
/** Chromium's numbers for the reader's colour scheme. */
const SCHEMES = { dark: 0, light: 1 } as const
type Scheme = keyof typeof SCHEMES

async function render(page: string, scheme: Scheme, shot: string): Promise<void> {
  const options = [
    '--headless',
    '--no-sandbox', // Chromium refuses to start as root with its sandbox. The page is ours and opens no network.
    '--hide-scrollbars',
    `--force-device-scale-factor=${SCALE}`,
    `--window-size=${WINDOW}`,
    `--blink-settings=preferredColorScheme=${SCHEMES[scheme]}`,
    `--screenshot=${shot}`,
  ]
  await promisify(execFile)(process.env.FEDSAM_BROWSER || 'chromium', [...options, pathToFileURL(page).href])
}

async function cutAndCompress(shot: string, file: string): Promise<void> {
  const { info } = await sharp(shot).trim().toBuffer({ resolveWithObject: true })
  const { width } = await sharp(shot).metadata()
  const height = info.height - info.trimOffsetTop! + MARGIN
  await sharp(shot).extract({ left: 0, top: 0, width, height }).webp({ quality: 82, effort: 6 }).toFile(file)
}

const report = process.argv[2] ?? 'demo-output/seed-0/report.html'
const work = await mkdtemp(join(tmpdir(), 'fedsam-picture-'))
try {
  const page = join(work, 'report.html')
  await writeFile(page, (await readFile(report, 'utf8')).replace('</style>', `${SHOWN}</style>`))
  for (const scheme of ['light', 'dark'] as const) {
    const shot = join(work, `${scheme}.png`)
    await render(page, scheme, shot)
    const file = fileURLToPath(new URL(`../../docs/demo-${scheme}.webp`, import.meta.url))
    await cutAndCompress(shot, file)
    console.log(`${file}: ${(await stat(file)).size} bytes`)
  }
} finally {
  await rm(work, { recursive: true, force: true })
}
