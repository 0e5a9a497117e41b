// Images of one static program each: the container that holds a pod's namespaces, and the two servers of the chart's quickstart.
// Nothing is in them but the program; they run as uid 65532.
import { execFile } from 'node:child_process'
import { copyFile, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { binaryVersion, ensureBinary } from '../binaries.ts'

export type StaticImage = 'pause' | 'nats-server' | 'versitygw'

export interface StaticRecipe {
  readonly version: string
  /** Fills a folder with program and Containerfile; resolves to that folder. */
  make(folder: string, log: (line: string) => void): Promise<string>
}

export const STATIC_IMAGES: Readonly<Record<StaticImage, StaticRecipe>> = {
  pause: { version: '1', make: makePause },
  'nats-server': server('nats-server', '/nats-server'),
  versitygw: server('versitygw', '/usr/local/bin/versitygw'),
}

/** Sleeps until it is asked to end, and reaps what is orphaned in a shared process namespace. */
const PAUSE = `#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
static void end(int signal) { (void)signal; _exit(0); }
static void reap(int signal) { (void)signal; while (waitpid(-1, 0, WNOHANG) > 0); }
int main(void) {
  signal(SIGINT, end);
  signal(SIGTERM, end);
  signal(SIGCHLD, reap);
  for (;;) pause();
}
`

async function makePause(folder: string): Promise<string> {
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'pause.c'), PAUSE)
  await promisify(execFile)('gcc', ['-static', '-Os', '-s', '-o', 'pause', 'pause.c'], { cwd: folder })
  return contain(folder, 'pause', '/pause')
}

/** The program lies where the public image of the same server has it: the chart's values fit both. */
function server(name: 'nats-server' | 'versitygw', path: string): StaticRecipe {
  return {
    version: binaryVersion(name),
    async make(folder, log) {
      await mkdir(folder, { recursive: true })
      await copyFile(await ensureBinary(name, { log }), join(folder, name))
      return contain(folder, name, path)
    },
  }
}

async function contain(folder: string, program: string, path: string): Promise<string> {
  const lines = ['FROM scratch', `COPY ${program} ${path}`, 'USER 65532:65532', `ENTRYPOINT ["${path}"]`]
  await writeFile(join(folder, 'Containerfile'), `${lines.join('\n')}\n`)
  return folder
}
